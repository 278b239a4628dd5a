import type { Alert, Dispatch } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { evidenceUrl } from '../../lib/api.ts'
import { dispatchAlertsQuery } from '../../lib/queries.ts'
import { reasonText } from '../../lib/reason.ts'
import { snapshotOf } from '../../lib/snapshot.ts'
import { EvidencePicture } from '../../ui/evidence-picture.tsx'
import { SignalFigure } from '../../ui/signal-figure.tsx'
import styles from './patrol.module.css'

const PICTURE_POLL_MS = 4_000

function isWithoutPicture(alert: Alert): boolean {
  return snapshotOf(alert)?.isStored === false
}

/** What was seen, and why it is an alert: the picture with its boxes, or the value that was measured. */
export function Sighting({ dispatch }: { dispatch: Dispatch }) {
  const { t } = useTranslation()
  const { data } = useQuery({
    ...dispatchAlertsQuery(dispatch.dispatchId),
    // The edge may still be sending the picture; nobody tells a patroller when it has come.
    refetchInterval: ({ state }) => (state.data?.items.some(isWithoutPicture) ? PICTURE_POLL_MS : false),
  })
  const alert = data?.items.find((item) => snapshotOf(item)?.isStored) ?? data?.items[0]
  if (!alert) return null
  const snapshot = snapshotOf(alert)
  return (
    <section className={styles.sighting}>
      <p>{reasonText(alert, t)}</p>
      {alert.deviceKind === 'camera' ? (
        <a
          href={snapshot?.isStored ? evidenceUrl(snapshot.evidenceId) : undefined}
          target="_blank"
          rel="noreferrer"
        >
          <EvidencePicture
            evidenceId={snapshot?.evidenceId}
            isStored={snapshot?.isStored ?? false}
            alt={t('evidence.snapshotOf', { name: alert.deviceName })}
            severity={alert.severity}
            objects={alert.objects}
            zone={alert.zone}
            trackPath={alert.trackPath}
          />
        </a>
      ) : (
        <SignalFigure alert={alert} />
      )}
    </section>
  )
}
