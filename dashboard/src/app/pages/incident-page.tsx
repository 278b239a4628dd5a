import { useQuery } from '@tanstack/react-query'
import { useParams } from 'react-router'
import { DispatchAction } from '../../features/dispatch/dispatch-action.tsx'
import { DispatchList } from '../../features/dispatch/dispatch-list.tsx'
import { IncidentActions } from '../../features/incidents/incident-actions.tsx'
import { IncidentEvidence } from '../../features/incidents/incident-evidence.tsx'
import { IncidentHead } from '../../features/incidents/incident-head.tsx'
import { IncidentTimeline } from '../../features/incidents/incident-timeline.tsx'
import { LivePanel } from '../../features/live/live-panel.tsx'
import { devicesQuery, incidentQuery } from '../../lib/queries.ts'
import { useMay } from '../../lib/session.ts'
import { ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import styles from './page.module.css'

/** States in which a team can be sent: once somebody has taken the incident on, until the team has handled it. */
const DISPATCHABLE: ReadonlySet<string> = new Set([
  'accepted',
  'assigned',
  'acknowledged',
  'en_route',
  'on_scene',
])

/** One incident: what was seen, what is being done, and the live picture of the same camera. */
export function IncidentPage() {
  const may = useMay()
  const { incidentId = '' } = useParams()
  const { data: detail, error, isPending, refetch } = useQuery(incidentQuery(incidentId))
  const { data: devices } = useQuery({ ...devicesQuery, enabled: may('device.read') })
  if (isPending) return <LoadingNote />
  if (!detail) return <ErrorNote error={error} onRetry={() => void refetch()} />
  const { incident } = detail
  const camera =
    incident.deviceKind === 'camera'
      ? devices?.cameras.find((item) => item.cameraId === incident.deviceId)
      : undefined
  const canDispatch = may('incident.dispatch') && DISPATCHABLE.has(incident.state)
  return (
    <div className={styles.page} key={incidentId}>
      <IncidentHead incident={incident} />
      <div className={styles.split}>
        <div className={styles.column}>
          <IncidentEvidence alerts={detail.alerts} />
          {camera && may('grant.request') ? <LivePanel camera={camera} incidentId={incidentId} /> : null}
        </div>
        <div className={styles.column}>
          <IncidentActions
            detail={detail}
            dispatchAction={
              canDispatch ? (
                <DispatchAction incident={incident} isNext={incident.state === 'accepted'} />
              ) : undefined
            }
          />
          <DispatchList dispatches={detail.dispatches} />
          <IncidentTimeline transitions={detail.transitions} />
          <ErrorNote error={error} />
        </div>
      </div>
    </div>
  )
}
