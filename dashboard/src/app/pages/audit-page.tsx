import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { AuditTable } from '../../features/audit/audit-table.tsx'
import { ViewingTable } from '../../features/audit/viewing-table.tsx'
import { TabRow } from '../../ui/tab-row.tsx'
import styles from './page.module.css'

/** Who watched what, and beside it the record of everything. */
export function AuditPage() {
  const { t } = useTranslation()
  const [view, setView] = useState<'viewings' | 'entries'>('viewings')
  return (
    <div className={styles.page}>
      <div className={styles.head}>
        <h1>{t('nav.audit')}</h1>
        <TabRow
          label={t('nav.audit')}
          tabs={[
            { value: 'viewings', label: t('audit.viewings') },
            { value: 'entries', label: t('audit.title') },
          ]}
          chosen={view}
          onChoose={setView}
        />
      </div>
      {view === 'viewings' ? <ViewingTable /> : <AuditTable />}
    </div>
  )
}
