import type { Dispatch } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { dispatchesQuery } from '../../lib/queries.ts'
import { ruleLabel } from '../../lib/reason.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { DeadlineText } from '../../ui/deadline-text.tsx'
import { DispatchStateMark } from '../../ui/dispatch-state.tsx'
import { DrillMark } from '../../ui/drill-mark.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { SeverityMark } from '../../ui/severity-mark.tsx'
import { TabRow } from '../../ui/tab-row.tsx'
import { AgeText } from '../../ui/time-text.tsx'
import { useUnsent } from './outbox-context.tsx'
import styles from './patrol.module.css'
import { stateWithUnsent } from './patrol-progress.ts'
import { UnsentNote } from './unsent-note.tsx'

function DispatchItem({ dispatch }: { dispatch: Dispatch }) {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const unsent = useUnsent(dispatch.dispatchId)
  const state = stateWithUnsent(dispatch, unsent)
  const { incident } = dispatch
  const rule = ruleLabel(incident.rule, t)
  return (
    <li>
      <Link
        to={`/patrol/${dispatch.dispatchId}`}
        className={`${styles.item} ${styles[incident.severity]}`}
        aria-label={`${rule}, ${incident.deviceName}, ${t(`dispatchState.${state}`)}`}
      >
        <div className={styles.itemLine}>
          <SeverityMark severity={incident.severity} />
          {incident.isDrill ? <DrillMark /> : null}
          <span className={styles.end}>
            <AgeText atMs={dispatch.createdAtMs} />
          </span>
        </div>
        <strong className={styles.itemTitle}>{rule}</strong>
        <span>{incident.deviceName}</span>
        <span className={styles.soft}>{regionName(incident.region)}</span>
        {dispatch.instruction ? <p className={styles.itemInstruction}>{dispatch.instruction}</p> : null}
        <div className={styles.itemLine}>
          <DispatchStateMark state={state} />
          {state === dispatch.state ? <DeadlineText dispatch={dispatch} /> : null}
          {unsent.length > 0 ? <span className={styles.warn}>{t('patrol.notSent')}</span> : null}
        </div>
      </Link>
    </li>
  )
}

/** The dispatches of my teams, newest first. */
export function PatrolList() {
  const { t } = useTranslation()
  const [filter, setFilter] = useState<'open' | 'ended'>('open')
  const { data, error, isPending, refetch } = useQuery(dispatchesQuery(filter))
  return (
    <section aria-labelledby="patrol-list">
      <div className={styles.listHead}>
        <h1 id="patrol-list">{t('patrol.title')}</h1>
        <TabRow
          label={t('patrol.filter')}
          tabs={[
            { value: 'open', label: t('patrol.open') },
            { value: 'ended', label: t('patrol.ended') },
          ]}
          chosen={filter}
          onChoose={setFilter}
        />
      </div>
      <UnsentNote />
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data?.items.length === 0 ? <EmptyNote>{t(`patrol.none.${filter}`)}</EmptyNote> : null}
      <ul className={styles.items} aria-label={t('patrol.title')}>
        {data?.items.map((dispatch) => (
          <DispatchItem key={dispatch.dispatchId} dispatch={dispatch} />
        ))}
      </ul>
    </section>
  )
}
