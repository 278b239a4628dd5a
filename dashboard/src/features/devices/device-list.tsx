import type { Camera, DeviceList as Devices } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { devicesQuery } from '../../lib/queries.ts'
import { seriesLabel } from '../../lib/reason.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useMay } from '../../lib/session.ts'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { StateDot } from '../../ui/state-mark.tsx'
import { CAMERA_TONES, cameraState } from './camera-tone.ts'
import styles from './device-list.module.css'

function CameraItem({ camera, devices }: { camera: Camera; devices: Devices }) {
  const { t } = useTranslation()
  const may = useMay()
  const regionName = useRegionName()
  const state = cameraState(camera, devices.edges)
  const body = (
    <>
      <span className={styles.name}>{camera.name}</span>
      <StateDot tone={CAMERA_TONES[state]}>{t(`cameraState.${state}`)}</StateDot>
      <span className={styles.detail}>
        {regionName(camera.region)}
        {camera.sensitivity === 'public' ? '' : ` · ${t(`sensitivity.${camera.sensitivity}`)}`}
      </span>
      {camera.health && state !== 'unknown' && state !== 'offline' ? (
        <span className={styles.figure}>
          {t('camera.inference', { value: Math.round(camera.health.inferenceMsP50) })}
        </span>
      ) : null}
      {camera.health?.why && state !== 'online' ? (
        <span className={styles.why}>{camera.health.why}</span>
      ) : null}
    </>
  )
  return (
    <li>
      {may('grant.request') ? (
        <Link className={styles.row} to={`/live?camera=${encodeURIComponent(camera.cameraId)}`}>
          {body}
        </Link>
      ) : (
        <div className={styles.row}>{body}</div>
      )}
    </li>
  )
}

/** Cameras with their state, then checkpoints and sensors: what the control room sees with. */
export function DeviceList() {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const { data, error, isPending, refetch } = useQuery(devicesQuery)
  return (
    <Panel title={t('devices.title')} scrolls>
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data ? (
        <>
          <h3 className={styles.heading}>{t('devices.cameras')}</h3>
          {data.cameras.length === 0 ? <EmptyNote>{t('devices.noCameras')}</EmptyNote> : null}
          <ul aria-label={t('devices.cameras')}>
            {data.cameras.map((camera) => (
              <CameraItem key={camera.cameraId} camera={camera} devices={data} />
            ))}
          </ul>
          {data.checkpoints.length > 0 ? (
            <>
              <h3 className={styles.heading}>{t('devices.checkpoints')}</h3>
              <ul aria-label={t('devices.checkpoints')}>
                {data.checkpoints.map((checkpoint) => (
                  <li key={checkpoint.checkpointId}>
                    <Link
                      className={styles.row}
                      to={`/checkpoints/${encodeURIComponent(checkpoint.checkpointId)}`}
                    >
                      <span className={styles.name}>{checkpoint.name}</span>
                      <span className={styles.figure}>
                        {t('checkpoint.lanes', { value: checkpoint.lanes })}
                      </span>
                      <span className={styles.detail}>{regionName(checkpoint.region)}</span>
                    </Link>
                  </li>
                ))}
              </ul>
            </>
          ) : null}
          {data.sensors.length > 0 ? (
            <>
              <h3 className={styles.heading}>{t('devices.sensors')}</h3>
              <ul aria-label={t('devices.sensors')}>
                {data.sensors.map((sensor) => (
                  <li key={sensor.sensorId}>
                    <Link className={styles.row} to={`/sensors/${encodeURIComponent(sensor.sensorId)}`}>
                      <span className={styles.name}>{sensor.name}</span>
                      <span className={styles.figure}>{seriesLabel(sensor.quantity, t)}</span>
                      <span className={styles.detail}>{regionName(sensor.region)}</span>
                    </Link>
                  </li>
                ))}
              </ul>
            </>
          ) : null}
        </>
      ) : null}
    </Panel>
  )
}
