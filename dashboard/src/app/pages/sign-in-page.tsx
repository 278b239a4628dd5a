import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Navigate, useLocation } from 'react-router'
import { SignInForm } from '../../features/session/sign-in-form.tsx'
import { ApiError } from '../../lib/api.ts'
import { sessionQuery } from '../../lib/queries.ts'
import { homeOf } from '../../lib/session.ts'
import { useLive } from '../../lib/use-live.ts'
import { ErrorNote } from '../../ui/notes.tsx'
import { LanguageSwitch } from '../layout/language-switch.tsx'
import styles from './gate-page.module.css'

export function SignInPage() {
  const { t } = useTranslation()
  const { data: session, error, refetch } = useQuery(sessionQuery)
  const live = useLive()
  const { state, search } = useLocation()
  const from: unknown = state?.from
  const refusal = new URLSearchParams(search).get('error')
  if (session?.mustChangePassword) return <Navigate to="/password" replace />
  if (session) {
    const wanted =
      typeof from === 'string' && from !== '/' && homeOf(session) !== '/patrol' ? from : undefined
    return <Navigate to={wanted ?? homeOf(session)} replace />
  }
  return (
    <main className={styles.gate}>
      <div className={styles.box}>
        <div className={styles.brand}>
          <img src="/mark.svg" alt="" width="40" height="40" />
          <div>
            <h1>{t('app.name')}</h1>
            <p>{t('app.purpose')}</p>
          </div>
        </div>
        {live.endedBecause ? (
          <p role="status" className={styles.notice}>
            {t('session.ended')}
          </p>
        ) : null}
        <ErrorNote error={error} onRetry={() => void refetch()} />
        {refusal ? <ErrorNote error={new ApiError(0, { code: refusal, message: refusal })} /> : null}
        <SignInForm />
        <div className={styles.foot}>
          <LanguageSwitch />
          <span>{t('session.recorded')}</span>
        </div>
      </div>
    </main>
  )
}
