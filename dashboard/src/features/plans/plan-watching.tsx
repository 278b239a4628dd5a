import type { Grant } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { planWatchingQuery } from '../../lib/queries.ts'
import { DataTable } from '../../ui/data-table.tsx'
import { EmptyNote, ErrorNote } from '../../ui/notes.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { TimeText } from '../../ui/time-text.tsx'

function Opened({ grant }: { grant: Grant }) {
  const { t } = useTranslation()
  const open = grant.cameras.filter(({ playPath }) => playPath !== undefined).length
  if (grant.state !== 'active') return <StateMark tone="bad">{t(`grantState.${grant.state}`)}</StateMark>
  const text = t('plan.opened', { open, of: grant.cameras.length })
  return (
    <StateMark tone={open === 0 ? 'dim' : open < grant.cameras.length ? 'warn' : 'good'}>{text}</StateMark>
  )
}

/** What an active plan has opened to whom, and who watches what now. */
export function PlanWatching({ planId }: { planId: string }) {
  const { t } = useTranslation()
  const { data, error, refetch } = useQuery(planWatchingQuery(planId))
  if (!data) return <ErrorNote error={error} onRetry={() => void refetch()} />
  return (
    <>
      <h3>{t('plan.watching')}</h3>
      {data.viewings.length === 0 ? <EmptyNote>{t('plan.nobodyWatches')}</EmptyNote> : null}
      {data.viewings.length > 0 ? (
        <DataTable
          caption={t('plan.watching')}
          rows={data.viewings}
          rowKey={({ viewingId }) => viewingId}
          columns={[
            { title: t('approval.who'), cell: ({ userName }) => userName },
            { title: t('approval.camera'), cell: ({ cameraName }) => cameraName },
            { title: t('approval.begin'), cell: ({ openedAtMs }) => <TimeText atMs={openedAtMs} /> },
          ]}
        />
      ) : null}
      <h3>{t('plan.openedTo')}</h3>
      {data.grants.length === 0 ? <EmptyNote>{t('plan.openedToNobody')}</EmptyNote> : null}
      {data.grants.length > 0 ? (
        <DataTable
          caption={t('plan.openedTo')}
          rows={data.grants}
          rowKey={({ grantId }) => grantId}
          columns={[
            { title: t('approval.who'), cell: ({ userName }) => userName },
            { title: t('plan.group'), cell: ({ target }) => target.name },
            { title: t('approval.state'), cell: (grant) => <Opened grant={grant} /> },
            { title: t('approval.approver'), cell: ({ approverName }) => approverName ?? '–' },
          ]}
        />
      ) : null}
    </>
  )
}
