import type { Transition } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { Panel } from '../../ui/panel.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import styles from './incident-timeline.module.css'
import { INCIDENT_TONES } from './incident-tone.ts'

/** Who did what when; newest first, because that is what people look for. */
export function IncidentTimeline({ transitions }: { transitions: readonly Transition[] }) {
  const { t } = useTranslation()
  const newestFirst = transitions.toSorted((a, b) => b.atMs - a.atMs)
  return (
    <Panel title={t('incident.timeline')}>
      <ol className={styles.timeline} aria-label={t('incident.timeline')}>
        {newestFirst.map((transition) => (
          <li key={`${transition.atMs} ${transition.to}`}>
            <div className={styles.line}>
              <StateMark tone={INCIDENT_TONES[transition.to]}>{t(`state.${transition.to}`)}</StateMark>
              <span className={styles.who}>{transition.actorName}</span>
              <span className={styles.time}>
                <TimeText atMs={transition.atMs} />
              </span>
            </div>
            {transition.note ? <p className={styles.note}>{transition.note}</p> : null}
          </li>
        ))}
      </ol>
    </Panel>
  )
}
