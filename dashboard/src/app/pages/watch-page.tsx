import { useTranslation } from 'react-i18next'
import { WatchListPanel } from '../../features/watch/watch-list-panel.tsx'
import styles from './page.module.css'

/** Plates that are looked for. */
export function WatchPage() {
  const { t } = useTranslation()
  return (
    <div className={styles.page}>
      <h1>{t('nav.watch')}</h1>
      <WatchListPanel />
    </div>
  )
}
