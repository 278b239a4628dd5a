import { useTranslation } from 'react-i18next'
import { PassageSearchPanel } from '../../features/checkpoints/passage-search-panel.tsx'
import styles from './page.module.css'

/** What passed the checkpoints of the scope. */
export function PassagesPage() {
  const { t } = useTranslation()
  return (
    <div className={styles.page}>
      <h1>{t('nav.passages')}</h1>
      <PassageSearchPanel />
    </div>
  )
}
