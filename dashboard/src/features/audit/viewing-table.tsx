import { VIEWING_MARKS, type Viewing } from '@patrolhub/protocol'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Query } from '../../lib/api.ts'
import { viewingsQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { countdown } from '../../lib/time.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { DrillMark } from '../../ui/drill-mark.tsx'
import { SelectField } from '../../ui/field.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { OlderButton } from '../../ui/older-button.tsx'
import { Panel } from '../../ui/panel.tsx'
import { PurposeField } from '../../ui/purpose-field.tsx'
import { TakeOut } from '../../ui/take-out.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import styles from './audit-table.module.css'
import { MarkList } from './mark-list.tsx'
import { RulesNote } from './rules-note.tsx'
import { SearchForm } from './search-form.tsx'

const MEGABYTE = 1_000_000

/** Who watched which camera, and what about it stands out. */
export function ViewingTable() {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const [terms, setTerms] = useState<Query>({})
  const query = useInfiniteQuery(viewingsQuery(terms))
  const { data, error, isPending, isFetching, refetch } = query
  const viewings = data?.pages.flatMap((page) => page.items) ?? []
  const any = { value: '', label: t('audit.any') }
  const lasted = ({ seconds, whyClosed }: Viewing) =>
    whyClosed === 'hub crashed' ? `≥ ${countdown(seconds * 1000, 0)}` : countdown(seconds * 1000, 0)
  return (
    <Panel
      title={t('audit.viewings')}
      aside={
        <>
          <TakeOut path="/api/viewings/export" terms={terms} />
          <Button onClick={() => void refetch()}>{t('common.refresh')}</Button>
        </>
      }
    >
      <SearchForm label={t('audit.viewings')} isBusy={isFetching} onSearch={setTerms}>
        <PurposeField label={t('audit.purpose')} first={[any]} />
        <SelectField
          label={t('audit.mark')}
          name="mark"
          choices={[
            any,
            { value: 'any', label: t('audit.anyMark') },
            ...VIEWING_MARKS.map((value) => ({ value, label: t(`viewingMark.${value}`) })),
          ]}
        />
      </SearchForm>
      <RulesNote />
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data && viewings.length === 0 ? <EmptyNote>{t('audit.noViewings')}</EmptyNote> : null}
      {viewings.length > 0 ? (
        <DataTable
          caption={t('audit.viewings')}
          rows={viewings}
          rowKey={(viewing) => viewing.viewingId}
          columns={[
            {
              title: t('audit.actor'),
              cell: (viewing) => <span className={styles.oneLine}>{viewing.userName}</span>,
            },
            {
              title: t('audit.camera'),
              cell: (viewing) => (
                <>
                  {viewing.cameraName}
                  <div className={styles.below} title={viewing.cameraId}>
                    {regionName(viewing.region)}
                  </div>
                </>
              ),
            },
            {
              title: t('audit.purpose'),
              cell: (viewing) => (
                <>
                  {t(`purpose.${viewing.purpose}`, { defaultValue: viewing.purpose })}{' '}
                  {viewing.isDrill ? <DrillMark /> : null}
                  <div className={styles.below}>{viewing.note}</div>
                </>
              ),
            },
            {
              title: t('audit.incident'),
              cell: (viewing) => (
                <span className={styles.oneLine} title={viewing.incidentId}>
                  {viewing.incidentNumber ?? viewing.incidentId ?? '—'}
                </span>
              ),
            },
            {
              title: t('audit.from'),
              cell: (viewing) => (
                <span className={styles.oneLine}>
                  <TimeText atMs={viewing.openedAtMs} form="full" />
                  {viewing.history ? (
                    <div className={styles.below}>
                      {t('audit.history')} <TimeText atMs={viewing.history.fromMs} form="full" />
                    </div>
                  ) : null}
                </span>
              ),
            },
            {
              title: t('audit.to'),
              cell: (viewing) => (
                <span className={styles.oneLine}>
                  {viewing.closedAtMs === undefined ? (
                    t('audit.stillOpen')
                  ) : (
                    <TimeText atMs={viewing.closedAtMs} form="full" />
                  )}
                  <div className={styles.below}>
                    {viewing.whyClosed === undefined
                      ? ''
                      : t(`whyClosed.${viewing.whyClosed}`, { defaultValue: viewing.whyClosed })}
                  </div>
                </span>
              ),
            },
            { title: t('audit.lasted'), cell: lasted, isNumber: true },
            {
              title: t('audit.megabytes'),
              cell: (viewing) => (viewing.bytes / MEGABYTE).toFixed(1),
              isNumber: true,
            },
            { title: t('audit.mark'), cell: (viewing) => <MarkList marks={viewing.marks} /> },
          ]}
        />
      ) : null}
      <OlderButton query={query} />
    </Panel>
  )
}
