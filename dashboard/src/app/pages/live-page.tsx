import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { CAMERA_TONES, cameraState } from '../../features/devices/camera-tone.ts'
import { CameraPicker } from '../../features/live/camera-picker.tsx'
import { LivePanel } from '../../features/live/live-panel.tsx'
import { devicesQuery } from '../../lib/queries.ts'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import styles from './page.module.css'

/** Live video by camera. The chosen camera stands in the address, so that a link leads to it. */
export function LivePage() {
  const { t } = useTranslation()
  const [search, setSearch] = useSearchParams()
  const { data: devices, error, isPending, refetch } = useQuery(devicesQuery)
  if (isPending) return <LoadingNote />
  if (!devices) return <ErrorNote error={error} onRetry={() => void refetch()} />
  const camera = devices.cameras.find((item) => item.cameraId === search.get('camera'))
  return (
    <div className={styles.live}>
      <h1 className="unseen">{t('nav.live')}</h1>
      <CameraPicker
        cameras={devices.cameras}
        chosenId={camera?.cameraId}
        onChoose={(cameraId) => setSearch({ camera: cameraId })}
        stateOf={(item) => {
          const state = cameraState(item, devices.edges)
          return { tone: CAMERA_TONES[state], text: t(`cameraState.${state}`) }
        }}
      />
      <div className={styles.stage}>
        {camera ? (
          <div className={styles.stageInner}>
            <LivePanel key={camera.cameraId} camera={camera} />
          </div>
        ) : (
          <EmptyNote>{t('live.choose')}</EmptyNote>
        )}
      </div>
    </div>
  )
}
