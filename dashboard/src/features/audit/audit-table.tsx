import type { AuditEntry } from '@patrolhub/protocol'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Query } from '../../lib/api.ts'
import { auditQuery } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { SelectField } from '../../ui/field.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { OlderButton } from '../../ui/older-button.tsx'
import { Panel } from '../../ui/panel.tsx'
import { TakeOut } from '../../ui/take-out.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import styles from './audit-table.module.css'
import { SearchForm } from './search-form.tsx'

/** First words of actions. */
const KINDS = [
  'viewing',
  'grant',
  'export',
  'evidence',
  'incident',
  'dispatch',
  'plan',
  'session',
  'user',
  'role',
  'token',
  'edge',
  'audit',
] as const

function detailText(detail: AuditEntry['detail']): string {
  return Object.entries(detail)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' · ')
}

/** The record of who looked at what and changed what. Each entry names the hash of the one before it. */
export function AuditTable() {
  const { t } = useTranslation()
  const [terms, setTerms] = useState<Query>({})
  const query = useInfiniteQuery(auditQuery(terms))
  const { data, error, isPending, isFetching, refetch } = query
  const entries = data?.pages.flatMap((page) => page.items) ?? []
  return (
    <Panel
      title={t('audit.title')}
      aside={
        <>
          <TakeOut path="/api/audit/export" terms={terms} />
          <Button onClick={() => void refetch()}>{t('common.refresh')}</Button>
        </>
      }
    >
      <SearchForm label={t('audit.title')} isBusy={isFetching} onSearch={setTerms}>
        <SelectField
          label={t('audit.kind')}
          name="kind"
          choices={[
            { value: '', label: t('audit.any') },
            ...KINDS.map((value) => ({ value, label: t(`auditKind.${value}`) })),
          ]}
        />
      </SearchForm>
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data && entries.length === 0 ? <EmptyNote>{t('audit.none')}</EmptyNote> : null}
      {entries.length > 0 ? (
        <DataTable
          caption={t('audit.title')}
          rows={entries}
          rowKey={(entry) => String(entry.seq)}
          columns={[
            { title: t('audit.seq'), cell: (entry) => entry.seq, isNumber: true },
            {
              title: t('audit.time'),
              cell: (entry) => (
                <span className={styles.oneLine}>
                  <TimeText atMs={entry.atMs} form="full" />
                </span>
              ),
            },
            {
              title: t('audit.actor'),
              cell: (entry) => <span className={styles.oneLine}>{entry.actorName}</span>,
            },
            {
              title: t('audit.action'),
              cell: (entry) => (
                <span title={entry.action} className={styles.oneLine}>
                  {t(`auditAction.${entry.action}`, { defaultValue: entry.action })}
                </span>
              ),
            },
            {
              title: t('audit.subject'),
              cell: (entry) => <span className={styles.subject}>{entry.subject}</span>,
            },
            {
              title: t('audit.detail'),
              cell: (entry) => <span className={styles.detail}>{detailText(entry.detail)}</span>,
            },
            {
              title: t('audit.hash'),
              cell: (entry) => (
                <code className={styles.code} title={entry.hash}>
                  {entry.hash.slice(0, 12)}
                </code>
              ),
            },
          ]}
        />
      ) : null}
      <OlderButton query={query} />
    </Panel>
  )
}
