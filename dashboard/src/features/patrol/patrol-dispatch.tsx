import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { dispatchQuery } from '../../lib/queries.ts'
import { ruleLabel } from '../../lib/reason.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { Button } from '../../ui/button.tsx'
import { DeadlineText } from '../../ui/deadline-text.tsx'
import { DispatchStateMark } from '../../ui/dispatch-state.tsx'
import { DrillMark } from '../../ui/drill-mark.tsx'
import { Icon } from '../../ui/icon.tsx'
import { ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { SeverityMark } from '../../ui/severity-mark.tsx'
import { AgeText, TimeText } from '../../ui/time-text.tsx'
import { CloseForm } from './close-form.tsx'
import { useOutbox, useUnsent } from './outbox-context.tsx'
import styles from './patrol.module.css'
import { nextStep, stateWithUnsent } from './patrol-progress.ts'
import { Sighting } from './sighting.tsx'
import { StepTrail } from './step-trail.tsx'
import { UnsentNote } from './unsent-note.tsx'

/** One dispatch: what and where, and one big button for what comes next. */
export function PatrolDispatch({ dispatchId }: { dispatchId: string }) {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const outbox = useOutbox()
  const unsent = useUnsent(dispatchId)
  const { data: dispatch, error, isPending, refetch } = useQuery(dispatchQuery(dispatchId))
  const [isFull, setFull] = useState(false)
  if (isPending) return <LoadingNote />
  if (!dispatch) return <ErrorNote error={error} onRetry={() => void refetch()} />
  const { incident } = dispatch
  const state = stateWithUnsent(dispatch, unsent)
  const next = nextStep(state)
  return (
    <article className={styles.dispatch}>
      <Link to="/patrol" className={styles.backLink}>
        <Icon name="back" sizePx={18} />
        {t('patrol.back')}
      </Link>
      <header className={styles.dispatchHead}>
        <div className={styles.itemLine}>
          <SeverityMark severity={incident.severity} />
          {incident.isDrill ? <DrillMark /> : null}
          <span role="status" aria-label={t('patrol.state')}>
            <DispatchStateMark state={state} />
          </span>
          {state === dispatch.state ? <DeadlineText dispatch={dispatch} /> : null}
        </div>
        <h1>{ruleLabel(incident.rule, t)}</h1>
        <p className={styles.placeLine}>
          <Icon name="patrol" sizePx={20} />
          <span>
            <strong>{incident.deviceName}</strong>
            <br />
            {regionName(incident.region)}
          </span>
        </p>
        <p className={styles.soft}>
          <TimeText atMs={incident.lastAlertAtMs} /> · <AgeText atMs={incident.lastAlertAtMs} />
        </p>
      </header>
      {dispatch.instruction ? (
        <section className={styles.instruction} aria-label={t('dispatch.instruction')}>
          <h2>{t('dispatch.instruction')}</h2>
          <p>{dispatch.instruction}</p>
        </section>
      ) : null}
      <Sighting dispatch={dispatch} />
      <UnsentNote dispatchId={dispatchId} />
      <StepTrail dispatch={dispatch} unsent={unsent} />
      {isFull ? <p role="alert">{t('patrol.outboxFull')}</p> : null}
      {next === 'closed' ? <CloseForm dispatchId={dispatchId} onDone={() => {}} /> : null}
      {next !== undefined && next !== 'closed' ? (
        <div className={styles.thumbBar}>
          <Button
            look="primary"
            isBig
            onClick={() => {
              setFull(false)
              outbox.addStep(dispatchId, { state: next }, Date.now()).catch(() => setFull(true))
            }}
          >
            {t(`patrol.step.${next}`)}
          </Button>
        </div>
      ) : null}
      {next === undefined ? (
        <p className={styles.done} role="status">
          {t('patrol.done')}
        </p>
      ) : null}
    </article>
  )
}
