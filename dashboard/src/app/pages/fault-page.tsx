import { useTranslation } from 'react-i18next'
import { Link, useRouteError } from 'react-router'
import { Button } from '../../ui/button.tsx'
import styles from './gate-page.module.css'

/** A fault of the screen itself: says so and offers the way back, whatever broke. */
export function FaultPage() {
  const { t } = useTranslation()
  const error = useRouteError()
  return (
    <main className={styles.gate}>
      <div className={styles.box}>
        <h1>{t('fault.title')}</h1>
        <p>{t('fault.help')}</p>
        <pre className={styles.fault}>{error instanceof Error ? error.message : String(error)}</pre>
        <Button look="primary" onClick={() => window.location.assign('/')}>
          {t('fault.reload')}
        </Button>
      </div>
    </main>
  )
}

export function NotFoundPage() {
  const { t } = useTranslation()
  return (
    <main className={styles.gate}>
      <div className={styles.box}>
        <h1>{t('fault.notFound')}</h1>
        <Link to="/">{t('nav.room')}</Link>
      </div>
    </main>
  )
}
