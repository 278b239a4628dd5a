import type { WatchEntry } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, watchListQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useMay } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { SeverityMark } from '../../ui/severity-mark.tsx'
import { StateMark, type Tone } from '../../ui/state-mark.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import { NewWatchDialog } from './new-watch-dialog.tsx'
import { ReadPlateDialog } from './read-plate-dialog.tsx'
import styles from './watch-list.module.css'

const TONES: Readonly<Record<WatchEntry['state'], Tone>> = {
  pending: 'warn',
  active: 'good',
  refused: 'bad',
  ended: 'dim',
  expired: 'dim',
}

function Actions({ entry, onRead }: { entry: WatchEntry; onRead: () => void }) {
  const { t } = useTranslation()
  const may = useMay()
  const queries = useQueryClient()
  const path = `/api/watch-list/${encodeURIComponent(entry.entryId)}`
  const act = useMutation({
    mutationFn: (what: 'approve' | 'refuse' | 'end') =>
      what === 'end'
        ? api.delete<WatchEntry>(path)
        : api.post<WatchEntry>(`${path}/decision`, { approve: what === 'approve' }),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.watchList }),
  })
  const isWaiting = entry.state === 'pending'
  const mayDecide = isWaiting && !entry.isOwn && may('watchlist.approve')
  return (
    <div className={styles.actions}>
      {may('watchlist.approve') ? <Button onClick={onRead}>{t('watch.read')}</Button> : null}
      {mayDecide ? (
        <>
          <Button look="primary" isBusy={act.isPending} onClick={() => act.mutate('approve')}>
            {t('approval.approve')}
          </Button>
          <Button look="danger" isBusy={act.isPending} onClick={() => act.mutate('refuse')}>
            {t('approval.refuse')}
          </Button>
        </>
      ) : null}
      {(isWaiting || entry.state === 'active') && may('watchlist.write') ? (
        <Button look="danger" isBusy={act.isPending} onClick={() => act.mutate('end')}>
          {t('watch.end')}
        </Button>
      ) : null}
      <ErrorNote error={act.error} />
    </div>
  )
}

/** Plates that are looked for, without the plates; who asked and who agreed. */
export function WatchListPanel() {
  const { t } = useTranslation()
  const may = useMay()
  const regionName = useRegionName()
  const { data, error, isPending, refetch } = useQuery(watchListQuery)
  const [isAsking, setAsking] = useState(false)
  const [read, setRead] = useState<WatchEntry>()
  return (
    <Panel
      title={t('watch.title')}
      aside={
        may('watchlist.write') ? <Button onClick={() => setAsking(true)}>{t('watch.new')}</Button> : null
      }
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data?.items.length === 0 ? <EmptyNote>{t('watch.none')}</EmptyNote> : null}
      {data && data.items.length > 0 ? (
        <DataTable
          caption={t('watch.title')}
          rows={data.items}
          rowKey={(entry) => entry.entryId}
          columns={[
            { title: t('watch.plate'), cell: (entry) => entry.plateMasked },
            { title: t('watch.severity'), cell: (entry) => <SeverityMark severity={entry.severity} /> },
            {
              title: t('watch.reason'),
              cell: ({ reason, instruction }) => (instruction ? `${reason}; ${instruction}` : reason),
            },
            { title: t('admin.region'), cell: (entry) => regionName(entry.region) },
            {
              title: t('devices.state'),
              cell: ({ state }) => <StateMark tone={TONES[state]}>{t(`watchState.${state}`)}</StateMark>,
            },
            { title: t('watch.requestedBy'), cell: (entry) => entry.requestedBy },
            { title: t('watch.decidedBy'), cell: (entry) => entry.decidedBy ?? '–' },
            { title: t('watch.until'), cell: (entry) => <TimeText atMs={entry.endAtMs} /> },
            {
              title: t('admin.actions'),
              cell: (entry) => <Actions entry={entry} onRead={() => setRead(entry)} />,
            },
          ]}
        />
      ) : null}
      {isAsking ? <NewWatchDialog onClose={() => setAsking(false)} /> : null}
      {read ? <ReadPlateDialog entry={read} onClose={() => setRead(undefined)} /> : null}
    </Panel>
  )
}
