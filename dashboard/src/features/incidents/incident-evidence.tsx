import type { Alert } from '@patrolhub/protocol'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { classLabel, reasonText } from '../../lib/reason.ts'
import { snapshotOf } from '../../lib/snapshot.ts'
import { Button } from '../../ui/button.tsx'
import { EvidencePicture } from '../../ui/evidence-picture.tsx'
import { EmptyNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { SignalFigure } from '../../ui/signal-figure.tsx'
import { AgeText, TimeText } from '../../ui/time-text.tsx'
import { AlertPassages } from './alert-passages.tsx'
import { EvidenceClip } from './evidence-clip.tsx'
import styles from './incident-evidence.module.css'

function AlertFacts({ alert }: { alert: Alert }) {
  const { t } = useTranslation()
  const subject = alert.objects.find((object) => object.isSubject)
  return (
    <dl className={styles.facts}>
      <div>
        <dt>{t('incident.ruleName')}</dt>
        <dd>{alert.ruleName}</dd>
      </div>
      {subject ? (
        <div>
          <dt>{t('incident.subject')}</dt>
          <dd>
            {classLabel(subject.className, t)} #{subject.trackId}
          </dd>
        </div>
      ) : null}
      <div>
        <dt>{t('incident.score')}</dt>
        <dd>{Math.round(alert.score * 100)}%</dd>
      </div>
      {alert.model ? (
        <div>
          <dt>{t('incident.model')}</dt>
          <dd title={alert.model.sha256}>{alert.model.id}</dd>
        </div>
      ) : null}
    </dl>
  )
}

/**
 * The alerts of an incident: one large, the others to choose from. It stays on the one that is shown while new ones
 * come in, so that the picture does not change under somebody who is looking at it.
 */
export function IncidentEvidence({ alerts }: { alerts: readonly Alert[] }) {
  const { t } = useTranslation()
  const [kept, setKept] = useState(alerts[0])
  const place = alerts.findIndex((alert) => alert.alertId === kept?.alertId)
  // The list holds the newest only: the one that is shown may have left it.
  const chosen = alerts[place] ?? kept ?? alerts[0]
  const newer = place === -1 ? alerts.length : place
  if (!chosen) return <EmptyNote>{t('alerts.none')}</EmptyNote>
  const snapshot = snapshotOf(chosen)
  return (
    <Panel
      title={t('incident.evidence')}
      aside={
        <>
          {newer > 0 ? (
            <Button onClick={() => setKept(alerts[0])}>{t('incident.newest', { value: newer })}</Button>
          ) : null}
          <span>
            <TimeText atMs={chosen.atMs} /> · <AgeText atMs={chosen.atMs} />
          </span>
        </>
      }
    >
      {chosen.deviceKind === 'camera' ? (
        <div className={styles.picture}>
          <EvidencePicture
            evidenceId={snapshot?.evidenceId}
            isStored={snapshot?.isStored ?? false}
            isDeleted={snapshot?.deletedAtMs !== undefined}
            alt={t('evidence.snapshotOf', { name: chosen.deviceName })}
            severity={chosen.severity}
            objects={chosen.objects}
            zone={chosen.zone}
            trackPath={chosen.trackPath}
          />
        </div>
      ) : (
        <div className={styles.signal}>
          <SignalFigure alert={chosen} />
        </div>
      )}
      <EvidenceClip key={chosen.alertId} alert={chosen} />
      <p className={styles.reason}>{reasonText(chosen, t)}</p>
      <AlertFacts alert={chosen} />
      <AlertPassages key={`passage ${chosen.alertId}`} alert={chosen} />
      {alerts.length > 1 ? (
        <ul className={styles.strip} aria-label={t('incident.alerts')}>
          {alerts.map((alert) => (
            <li key={alert.alertId}>
              <button
                type="button"
                aria-pressed={alert.alertId === chosen.alertId}
                onClick={() => setKept(alert)}
              >
                {alert.deviceKind === 'camera' ? (
                  <EvidencePicture
                    evidenceId={snapshotOf(alert)?.evidenceId}
                    isStored={snapshotOf(alert)?.isStored ?? false}
                    isDeleted={snapshotOf(alert)?.deletedAtMs !== undefined}
                    alt=""
                    severity={alert.severity}
                    objects={alert.objects}
                    isThumbnail
                  />
                ) : (
                  <SignalFigure alert={alert} />
                )}
                <TimeText atMs={alert.atMs} form="clock" />
              </button>
            </li>
          ))}
        </ul>
      ) : null}
    </Panel>
  )
}
