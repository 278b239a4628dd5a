import type { Dispatch } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { evidenceUrl } from '../../lib/api.ts'
import { DeadlineText } from '../../ui/deadline-text.tsx'
import { DispatchStateMark } from '../../ui/dispatch-state.tsx'
import { Panel } from '../../ui/panel.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import styles from './dispatch-list.module.css'

function DispatchCard({ dispatch }: { dispatch: Dispatch }) {
  const { t } = useTranslation()
  const photos = dispatch.photos.filter((photo) => photo.isStored)
  return (
    <li className={styles.card} aria-label={dispatch.teamName}>
      <div className={styles.line}>
        <strong>{dispatch.teamName}</strong>
        <DispatchStateMark state={dispatch.state} />
        <DeadlineText dispatch={dispatch} />
      </div>
      {dispatch.instruction ? <p className={styles.instruction}>{dispatch.instruction}</p> : null}
      <ol className={styles.steps}>
        {dispatch.steps.map((step) => (
          <li key={`${step.state} ${step.atMs}`}>
            <span className={styles.time}>
              <TimeText atMs={step.atMs} form="clock" />
            </span>
            <span>{t(`stepName.${step.state}`)}</span>
            <span className={styles.who}>{step.actorName}</span>
            {step.note && step.note !== dispatch.instruction ? (
              <p className={styles.note}>{step.note}</p>
            ) : null}
          </li>
        ))}
      </ol>
      {photos.length > 0 ? (
        <ul className={styles.photos}>
          {photos.map((photo, index) => (
            <li key={photo.evidenceId}>
              <a href={evidenceUrl(photo.evidenceId)} target="_blank" rel="noreferrer">
                <img
                  src={evidenceUrl(photo.evidenceId)}
                  alt={t('dispatch.photo', { number: index + 1, team: dispatch.teamName })}
                  loading="lazy"
                />
              </a>
            </li>
          ))}
        </ul>
      ) : null}
    </li>
  )
}

/** The teams that were sent, how far each is, and what they brought back. */
export function DispatchList({ dispatches }: { dispatches: readonly Dispatch[] }) {
  const { t } = useTranslation()
  if (dispatches.length === 0) return null
  return (
    <Panel title={t('dispatch.list')}>
      <ul aria-label={t('dispatch.list')}>
        {dispatches
          .toSorted((a, b) => b.createdAtMs - a.createdAtMs)
          .map((dispatch) => (
            <DispatchCard key={dispatch.dispatchId} dispatch={dispatch} />
          ))}
      </ul>
    </Panel>
  )
}
