import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { SecondFactorPanel } from '../../features/account/second-factor-panel.tsx'
import { SessionsPanel } from '../../features/account/sessions-panel.tsx'
import { homeOf, useSession } from '../../lib/session.ts'
import styles from './page.module.css'

/** One's own account: the second factor and where one is signed in. */
export function AccountPage() {
  const { t } = useTranslation()
  const session = useSession()
  return (
    <main className={styles.page}>
      <h1>{t('nav.account')}</h1>
      <p>
        {session.displayName} ({session.username}) ·{' '}
        {session.isOnDuty ? t('account.onDuty') : t('account.offDuty')} ·{' '}
        <Link to={homeOf(session)}>{t('account.back')}</Link>
      </p>
      <SecondFactorPanel />
      <SessionsPanel />
    </main>
  )
}
