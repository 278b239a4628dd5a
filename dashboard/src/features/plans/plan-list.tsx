import type { Plan, PlanActivation, PlanApproval } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, plansQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useRoleName } from '../../lib/role-name.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { DrillMark } from '../../ui/drill-mark.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import { ActivateDialog } from './activate-dialog.tsx'
import { PlanDialog } from './plan-dialog.tsx'
import { PlanWatching } from './plan-watching.tsx'
import styles from './plans.module.css'

const activeOf = ({ activations }: Plan): PlanActivation | undefined =>
  activations.find(({ endedAtMs }) => endedAtMs === undefined)

/** A request about the plan, after which it is read again. */
function usePlanAction<Body>(send: (body: Body) => Promise<unknown>) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: send,
    onSettled: () => queries.invalidateQueries({ queryKey: keys.plans }),
  })
}

function Approval({ plan }: { plan: Plan }) {
  const { t } = useTranslation()
  const may = useMay()
  const { userId } = useSession()
  const approve = usePlanAction((body: PlanApproval) => api.post(`/api/plans/${plan.planId}/approval`, body))
  if (plan.approvedByName !== undefined && !plan.needsApproval) {
    return t('plan.approvedBy', { name: plan.approvedByName })
  }
  return (
    <div className={styles.buttons}>
      {plan.needsApproval ? <StateMark tone="warn">{t('plan.notApproved')}</StateMark> : null}
      {may('grant.approve') && plan.writtenById !== userId ? (
        <Button isBusy={approve.isPending} onClick={() => approve.mutate({ writtenAtMs: plan.writtenAtMs })}>
          {t('plan.approve')}
        </Button>
      ) : null}
      <ErrorNote error={approve.error} />
    </div>
  )
}

/** How an active plan stands; its end. */
function ActivePlan({ plan, activation }: { plan: Plan; activation: PlanActivation }) {
  const { t } = useTranslation()
  const may = useMay()
  const end = usePlanAction(() => api.delete(`/api/plans/${plan.planId}/activation`))
  return (
    <Panel
      title={t('plan.activeTitle', { name: plan.name })}
      aside={
        may('plan.activate') ? (
          <Button look="danger" isBusy={end.isPending} onClick={() => end.mutate(undefined)}>
            {t('plan.endNow')}
          </Button>
        ) : null
      }
    >
      <div className={styles.active}>
        <div className={styles.marks}>
          {activation.isDrill ? <DrillMark /> : <StateMark tone="bad">{t('plan.emergency')}</StateMark>}
          <span>{activation.reason}</span>
          <span className={styles.note}>
            {activation.begunByName} · <TimeText atMs={activation.beginAtMs} form="full" /> –{' '}
            <TimeText atMs={activation.endAtMs} form="full" />
          </span>
        </div>
        {plan.needsApproval ? <p className={styles.warning}>{t('plan.staysClosed')}</p> : null}
        <ErrorNote error={end.error} />
        <PlanWatching planId={plan.planId} />
      </div>
    </Panel>
  )
}

function State({ plan }: { plan: Plan }) {
  const { t } = useTranslation()
  const activation = activeOf(plan)
  if (!activation) return <StateMark tone="dim">{t('plan.ready')}</StateMark>
  return (
    <div className={styles.marks}>
      <StateMark tone="bad">{t('plan.isActive')}</StateMark>
      {activation.isDrill ? <DrillMark /> : null}
    </div>
  )
}

type Opened = { what: 'write'; plan: Plan | undefined } | { what: 'activate'; plan: Plan }

function PlanButtons({ plan, onOpen }: { plan: Plan; onOpen: (opened: Opened) => void }) {
  const { t } = useTranslation()
  const may = useMay()
  const remove = usePlanAction(() => api.delete(`/api/plans/${plan.planId}`))
  return (
    <div className={styles.buttons}>
      {may('plan.activate') && !activeOf(plan) ? (
        <Button look="primary" onClick={() => onOpen({ what: 'activate', plan })}>
          {t('plan.activate')}
        </Button>
      ) : null}
      {may('plan.write') ? (
        <Button onClick={() => onOpen({ what: 'write', plan })}>{t('plan.change')}</Button>
      ) : null}
      {may('plan.write') && plan.activations.length === 0 ? (
        <Button look="danger" isBusy={remove.isPending} onClick={() => remove.mutate(undefined)}>
          {t('plan.remove')}
        </Button>
      ) : null}
      <ErrorNote error={remove.error} />
    </div>
  )
}

/** The active plans first, each with who watches under it; then all that there are. */
export function PlanList() {
  const { t } = useTranslation()
  const may = useMay()
  const regionName = useRegionName()
  const roleName = useRoleName()
  const { data, error, isPending, refetch } = useQuery(plansQuery)
  const [opened, setOpened] = useState<Opened>()
  const close = () => setOpened(undefined)
  return (
    <>
      {data?.items.map((plan) => {
        const activation = activeOf(plan)
        return activation ? <ActivePlan key={plan.planId} plan={plan} activation={activation} /> : null
      })}
      <Panel
        title={t('plan.title')}
        aside={
          may('plan.write') ? (
            <Button onClick={() => setOpened({ what: 'write', plan: undefined })}>{t('plan.new')}</Button>
          ) : null
        }
      >
        {isPending ? <LoadingNote /> : null}
        <ErrorNote error={error} onRetry={() => void refetch()} />
        {data?.items.length === 0 ? <EmptyNote>{t('plan.none')}</EmptyNote> : null}
        {data && data.items.length > 0 ? (
          <DataTable
            caption={t('plan.title')}
            rows={data.items}
            rowKey={({ planId }) => planId}
            columns={[
              { title: t('plan.name'), cell: ({ name }) => name },
              { title: t('plan.region'), cell: ({ region }) => regionName(region) },
              {
                title: t('plan.groups'),
                cell: ({ groups }) =>
                  groups.map(({ name, cameraCount }) => `${name} (${cameraCount})`).join(', '),
              },
              {
                title: t('plan.command'),
                cell: ({ command }) =>
                  command
                    .map(({ kind, id, name }) => (kind === 'role' ? roleName(id, name) : name))
                    .join(', '),
              },
              { title: t('plan.approval'), cell: (plan) => <Approval plan={plan} /> },
              { title: t('approval.state'), cell: (plan) => <State plan={plan} /> },
              {
                title: t('approval.action'),
                cell: (plan) => <PlanButtons plan={plan} onOpen={setOpened} />,
              },
            ]}
          />
        ) : null}
      </Panel>
      {opened?.what === 'write' ? <PlanDialog plan={opened.plan} onClose={close} /> : null}
      {opened?.what === 'activate' ? <ActivateDialog plan={opened.plan} onClose={close} /> : null}
    </>
  )
}
