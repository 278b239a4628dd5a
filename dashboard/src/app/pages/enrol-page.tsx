import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Navigate } from 'react-router'
import { EnrolForm } from '../../features/account/enrol-form.tsx'
import { keys, sessionQuery } from '../../lib/queries.ts'
import { homeOf } from '../../lib/session.ts'
import { LoadingNote } from '../../ui/notes.tsx'
import { LanguageSwitch } from '../layout/language-switch.tsx'
import { SignOutButton } from '../layout/sign-out-button.tsx'
import styles from './gate-page.module.css'

/** Stands before everything else for a role that needs a second factor and has none. */
export function EnrolPage() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data: session, isPending } = useQuery(sessionQuery)
  if (isPending) return <LoadingNote />
  if (!session) return <Navigate to="/sign-in" replace />
  if (session.mustChangePassword) return <Navigate to="/password" replace />
  if (!session.mustEnrolSecondFactor) return <Navigate to={homeOf(session)} replace />
  return (
    <main className={styles.gate}>
      <div className={styles.box}>
        <h1>{t('account.secondFactor')}</h1>
        <p className={styles.help}>{t('account.enrolNeeded')}</p>
        <EnrolForm onDone={() => void queries.invalidateQueries({ queryKey: keys.session })} />
        <div className={styles.foot}>
          <LanguageSwitch />
          <SignOutButton />
        </div>
      </div>
    </main>
  )
}
