import type { Grant } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, planWatchingQuery } from '../../lib/queries.ts'
import { useMay } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
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

/** Takes it back from one person for the rest of the activation. */
function RevokeButton({ grant }: { grant: Grant }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const revoke = useMutation({
    mutationFn: () => api.delete<unknown>(`/api/grants/${grant.grantId}`),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.plans }),
  })
  return (
    <>
      <Button look="danger" isBusy={revoke.isPending} onClick={() => revoke.mutate()}>
        {t('approval.revoke')}
      </Button>
      <ErrorNote error={revoke.error} />
    </>
  )
}

/** What an active plan has opened to whom, and who watches what now. */
export function PlanWatching({ planId }: { planId: string }) {
  const { t } = useTranslation()
  const may = useMay()
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
            { title: t('plan.who'), cell: ({ userName }) => userName },
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
            { title: t('plan.who'), cell: ({ userName }) => userName },
            { title: t('plan.group'), cell: ({ target }) => target.name },
            { title: t('approval.state'), cell: (grant) => <Opened grant={grant} /> },
            { title: t('approval.approver'), cell: ({ approverName }) => approverName ?? '–' },
            {
              title: t('approval.action'),
              cell: (grant) =>
                grant.state === 'active' && may('grant.revoke-any') ? <RevokeButton grant={grant} /> : null,
            },
          ]}
        />
      ) : null}
    </>
  )
}
