import { useTranslation } from 'react-i18next'
import { AuditTable } from '../../features/audit/audit-table.tsx'
import styles from './page.module.css'

export function AuditPage() {
  const { t } = useTranslation()
  return (
    <div className={styles.page}>
      <h1>{t('nav.audit')}</h1>
      <AuditTable />
    </div>
  )
}
