import type { Alert, IncidentState } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useParams } from 'react-router'
import { SeriesPanel } from '../../features/checkpoints/series-panel.tsx'
import { DispatchAction } from '../../features/dispatch/dispatch-action.tsx'
import { DispatchList } from '../../features/dispatch/dispatch-list.tsx'
import { IncidentActions } from '../../features/incidents/incident-actions.tsx'
import { IncidentEvidence } from '../../features/incidents/incident-evidence.tsx'
import { IncidentHead } from '../../features/incidents/incident-head.tsx'
import { IncidentHold } from '../../features/incidents/incident-hold.tsx'
import { IncidentTimeline } from '../../features/incidents/incident-timeline.tsx'
import { CameraPanel } from '../../features/live/camera-panel.tsx'
import { devicesQuery, incidentQuery } from '../../lib/queries.ts'
import { useMay } from '../../lib/session.ts'
import { ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import styles from './page.module.css'

/** States in which a team can be sent: until the incident is handled. Sending one accepts a reported incident. */
const DISPATCHABLE: ReadonlySet<IncidentState> = new Set([
  'reported',
  'accepted',
  'assigned',
  'acknowledged',
  'en_route',
  'on_scene',
])

/** What a checkpoint or sensor measured around its alert. */
function IncidentSeries({ alert }: { alert: Alert | undefined }) {
  const may = useMay()
  const { t } = useTranslation()
  const series = alert?.facts.series
  if (!alert || alert.deviceKind === 'camera' || typeof series !== 'string' || !may('series.read'))
    return null
  const unit =
    typeof alert.facts.unit === 'string' ? alert.facts.unit : t(`unit.${series}`, { defaultValue: '' })
  return <SeriesPanel deviceId={alert.deviceId} series={series} unit={unit} span="hour" />
}

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
          <IncidentSeries alert={detail.alerts[0]} />
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
          <IncidentHold incident={incident} canHold={may('evidence.hold')} />
          {camera && may('grant.request') ? (
            <CameraPanel camera={camera} incidentId={incidentId} aroundMs={detail.alerts[0]?.atMs} />
          ) : null}
          <DispatchList dispatches={detail.dispatches} />
          <IncidentTimeline transitions={detail.transitions} />
          <ErrorNote error={error} />
        </div>
      </div>
    </div>
  )
}
