import type { Alert } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { reasonText, ruleLabel } from '../../lib/reason.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { snapshotOf } from '../../lib/snapshot.ts'
import { DrillMark } from '../../ui/drill-mark.tsx'
import { EvidencePicture } from '../../ui/evidence-picture.tsx'
import { SeverityMark } from '../../ui/severity-mark.tsx'
import { SignalFigure } from '../../ui/signal-figure.tsx'
import { AgeText, TimeText } from '../../ui/time-text.tsx'
import styles from './alert-list.module.css'

/** One alert as a row: the whole row leads to its incident. */
export function AlertItem({ alert, isNew }: { alert: Alert; isNew: boolean }) {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const snapshot = snapshotOf(alert)
  const rule = ruleLabel(alert.rule, t)
  const name = `${t(`severity.${alert.severity}`)}: ${rule}, ${alert.deviceName}`
  return (
    <li className={`${styles.item} ${styles[alert.severity]}`} data-new={isNew || undefined}>
      <Link to={`/incidents/${alert.incidentId}`} className={styles.link} aria-label={name}>
        <div className={styles.thumb}>
          {alert.deviceKind === 'camera' ? (
            <EvidencePicture
              evidenceId={snapshot?.evidenceId}
              isStored={snapshot?.isStored ?? false}
              alt={t('evidence.snapshotOf', { name: alert.deviceName })}
              severity={alert.severity}
              objects={alert.objects}
              isThumbnail
            />
          ) : (
            <SignalFigure alert={alert} />
          )}
        </div>
        <div className={styles.body}>
          <div className={styles.topLine}>
            <SeverityMark severity={alert.severity} />
            <strong className={styles.rule}>{rule}</strong>
            {alert.isDrill ? <DrillMark /> : null}
            <span className={styles.time}>
              <TimeText atMs={alert.atMs} form="clock" />
            </span>
          </div>
          <p className={styles.reason}>{reasonText(alert, t)}</p>
          <div className={styles.bottomLine}>
            <span className={styles.device}>{alert.deviceName}</span>
            <span className={styles.place}>{regionName(alert.region)}</span>
            <span className={styles.age}>
              <AgeText atMs={alert.atMs} />
            </span>
          </div>
        </div>
      </Link>
    </li>
  )
}
