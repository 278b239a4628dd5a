import { useTranslation } from 'react-i18next'
import { Link, Outlet } from 'react-router'
import { ArrivalNotice } from '../../features/patrol/arrival-notice.tsx'
import { OutboxProvider } from '../../features/patrol/outbox-context.tsx'
import { useSession } from '../../lib/session.ts'
import { LanguageSwitch } from './language-switch.tsx'
import { LiveMark } from './live-mark.tsx'
import { LostBanner } from './lost-banner.tsx'
import styles from './patrol-layout.module.css'
import { SignOutButton } from './sign-out-button.tsx'

export function PatrolLayout() {
  const { t } = useTranslation()
  const session = useSession()
  return (
    <div className={styles.layout}>
      <header className={styles.header}>
        <div className={styles.who}>
          <strong>{session.displayName}</strong>
          <LiveMark />
        </div>
        <Link to="/account">{t('nav.account')}</Link>
        <LanguageSwitch />
        <SignOutButton />
      </header>
      <LostBanner />
      <main className={styles.main} aria-label={t('patrol.title')}>
        <OutboxProvider>
          <ArrivalNotice />
          <Outlet />
        </OutboxProvider>
      </main>
    </div>
  )
}
