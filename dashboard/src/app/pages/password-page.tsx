import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Navigate } from 'react-router'
import { PasswordForm } from '../../features/session/password-form.tsx'
import { sessionQuery } from '../../lib/queries.ts'
import { homeOf } from '../../lib/session.ts'
import { LoadingNote } from '../../ui/notes.tsx'
import { LanguageSwitch } from '../layout/language-switch.tsx'
import { SignOutButton } from '../layout/sign-out-button.tsx'
import styles from './gate-page.module.css'

export function PasswordPage() {
  const { t } = useTranslation()
  const { data: session, isPending } = useQuery(sessionQuery)
  if (isPending) return <LoadingNote />
  if (!session) return <Navigate to="/sign-in" replace />
  if (!session.mustChangePassword) return <Navigate to={homeOf(session)} replace />
  return (
    <main className={styles.gate}>
      <div className={styles.box}>
        <h1>{t('session.newPasswordTitle')}</h1>
        <p className={styles.help}>{t('session.newPasswordHelp')}</p>
        <PasswordForm username={session.username} />
        <div className={styles.foot}>
          <LanguageSwitch />
          <SignOutButton />
        </div>
      </div>
    </main>
  )
}
