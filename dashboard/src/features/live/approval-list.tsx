import type { Approval, Grant } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { grantsQuery, keys } from '../../lib/queries.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { DrillMark } from '../../ui/drill-mark.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { StateMark, type Tone } from '../../ui/state-mark.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import styles from './approval-list.module.css'

const GRANT_TONES: Readonly<Record<Grant['state'], Tone>> = {
  pending: 'warn',
  active: 'good',
  expired: 'dim',
  revoked: 'bad',
  refused: 'bad',
}

/** What a grant is for: live video, or what was recorded in a span. */
function GrantSubject({ grant }: { grant: Grant }) {
  const { t } = useTranslation()
  if (!grant.history) return <span>{t('approval.live')}</span>
  const { fromMs, toMs } = grant.history
  return (
    <span className={styles.span}>
      {t('approval.history')} <TimeText atMs={fromMs} form="full" /> – <TimeText atMs={toMs} form="full" />
    </span>
  )
}

function Waiting({ grant }: { grant: Grant }) {
  const { t } = useTranslation()
  const { userId } = useSession()
  const queries = useQueryClient()
  const decide = useMutation({
    mutationFn: (body: Approval) =>
      api.post<Grant>(`/api/grants/${encodeURIComponent(grant.grantId)}/approval`, body),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.grants }),
  })
  const isOwn = grant.userId === userId
  return (
    <li className={styles.card} aria-label={`${grant.userName}, ${grant.target.name}`}>
      <div>
        <strong>
          {grant.userName} → {grant.target.name}
        </strong>
        <p>
          {t(`purpose.${grant.purpose}`)}
          {grant.note ? `: ${grant.note}` : ''}
        </p>
        <p className={styles.span}>
          {t('grant.minuteChoice', { value: Math.round((grant.endAtMs - grant.beginAtMs) / 60_000) })} ·{' '}
          <TimeText atMs={grant.beginAtMs} />
        </p>
        <GrantSubject grant={grant} />
        {grant.target.kind === 'group' ? (
          <p className={styles.span}>{grant.cameras.map(({ name }) => name).join(', ')}</p>
        ) : null}
      </div>
      {isOwn ? (
        <span>{t('approval.notOwn')}</span>
      ) : (
        <div className={styles.buttons}>
          <Button
            look="primary"
            isBusy={decide.isPending && decide.variables.approve}
            onClick={() => decide.mutate({ approve: true })}
          >
            {t('approval.approve')}
          </Button>
          <Button
            look="danger"
            isBusy={decide.isPending && !decide.variables.approve}
            onClick={() => decide.mutate({ approve: false })}
          >
            {t('approval.refuse')}
          </Button>
        </div>
      )}
      <ErrorNote error={decide.error} />
    </li>
  )
}

function RevokeButton({ grant }: { grant: Grant }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const revoke = useMutation({
    mutationFn: () => api.delete<unknown>(`/api/grants/${encodeURIComponent(grant.grantId)}`),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.grants }),
  })
  return (
    <Button look="danger" isBusy={revoke.isPending} onClick={() => revoke.mutate()}>
      {t('approval.revoke')}
    </Button>
  )
}

/** Requests that wait for a second person, and the grants that hold or held. */
export function ApprovalList() {
  const { t } = useTranslation()
  const may = useMay()
  const { data, error, isPending, refetch } = useQuery(grantsQuery)
  const waiting = data?.items.filter((grant) => grant.state === 'pending') ?? []
  const others = data?.items.filter((grant) => grant.state !== 'pending') ?? []
  return (
    <>
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      <Panel title={t('approval.waiting')}>
        {waiting.length === 0 ? <EmptyNote>{t('approval.noneWaiting')}</EmptyNote> : null}
        <ul aria-label={t('approval.waiting')}>
          {waiting.map((grant) => (
            <Waiting key={grant.grantId} grant={grant} />
          ))}
        </ul>
      </Panel>
      <Panel title={t('approval.grants')}>
        <DataTable
          caption={t('approval.grants')}
          rows={others}
          rowKey={(grant) => grant.grantId}
          columns={[
            { title: t('approval.who'), cell: (grant) => grant.userName },
            { title: t('approval.camera'), cell: (grant) => grant.target.name },
            { title: t('approval.what'), cell: (grant) => <GrantSubject grant={grant} /> },
            {
              title: t('grant.purpose'),
              cell: (grant) => (
                <>
                  {t(`purpose.${grant.purpose}`) + (grant.note ? `: ${grant.note}` : '')}{' '}
                  {grant.plan?.isDrill ? <DrillMark /> : null}
                </>
              ),
            },
            { title: t('approval.begin'), cell: (grant) => <TimeText atMs={grant.beginAtMs} /> },
            { title: t('approval.end'), cell: (grant) => <TimeText atMs={grant.endAtMs} /> },
            { title: t('approval.approver'), cell: (grant) => grant.approverName ?? '' },
            {
              title: t('approval.state'),
              cell: (grant) => (
                <StateMark tone={GRANT_TONES[grant.state]}>{t(`grantState.${grant.state}`)}</StateMark>
              ),
            },
            {
              title: t('approval.action'),
              cell: (grant) =>
                grant.state === 'active' && may('grant.revoke-any') ? <RevokeButton grant={grant} /> : null,
            },
          ]}
        />
      </Panel>
    </>
  )
}
