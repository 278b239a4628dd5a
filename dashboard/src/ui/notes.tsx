import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '../lib/api.ts'
import { Button } from './button.tsx'
import styles from './notes.module.css'

/** What to say for an error: our own words for the hub's stable codes, the hub's words otherwise. */
export function useErrorText(): (error: unknown) => string {
  const { t } = useTranslation()
  return (error) => {
    if (!(error instanceof ApiError)) return t('error.unexpected')
    const known = t(`error.${error.code}`, { defaultValue: '' })
    // The generic codes say less than the hub's own sentence.
    if (known !== '') return known
    return error.details.length > 0 ? `${error.message} (${error.details.join('; ')})` : error.message
  }
}

/** An error, announced as soon as it appears. Nothing for `null` or `undefined`. */
export function ErrorNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation()
  const textFor = useErrorText()
  if (error === null || error === undefined) return null
  return (
    <div className={styles.error} role="alert">
      <span>{textFor(error)}</span>
      {error instanceof ApiError ? <code className={styles.code}>{error.code}</code> : null}
      {onRetry ? <Button onClick={onRetry}>{t('common.retry')}</Button> : null}
    </div>
  )
}

export function EmptyNote({ children }: { children: ReactNode }) {
  return <p className={styles.empty}>{children}</p>
}

export function LoadingNote() {
  const { t } = useTranslation()
  return (
    <p className={styles.empty} role="status">
      {t('common.loading')}
    </p>
  )
}
