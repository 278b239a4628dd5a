import { useTranslation } from 'react-i18next'
import { ApprovalList } from '../../features/live/approval-list.tsx'
import styles from './page.module.css'

export function ApprovalsPage() {
  const { t } = useTranslation()
  return (
    <div className={styles.page}>
      <h1>{t('nav.approvals')}</h1>
      <ApprovalList />
    </div>
  )
}
