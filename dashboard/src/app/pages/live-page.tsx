import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { CAMERA_TONES, cameraState } from '../../features/devices/camera-tone.ts'
import { CameraPanel } from '../../features/live/camera-panel.tsx'
import { CameraPicker } from '../../features/live/camera-picker.tsx'
import { GroupList } from '../../features/live/group-list.tsx'
import { OutsideCamera } from '../../features/live/outside-camera.tsx'
import { devicesQuery, grantsQuery } from '../../lib/queries.ts'
import { useSession } from '../../lib/session.ts'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import styles from './page.module.css'

/** Live video by camera. The chosen camera stands in the address, so that a link leads to it. */
export function LivePage() {
  const { t } = useTranslation()
  const [search, setSearch] = useSearchParams()
  const { userId } = useSession()
  const { data: grants } = useQuery(grantsQuery)
  const { data: devices, error, isPending, refetch } = useQuery(devicesQuery)
  if (isPending) return <LoadingNote />
  if (!devices) return <ErrorNote error={error} onRetry={() => void refetch()} />
  const chosenId = search.get('camera') ?? undefined
  const inside = devices.cameras.find((item) => item.cameraId === chosenId)
  const foreign = (grants?.items ?? []).filter(
    ({ userId: of, target }) =>
      of === userId &&
      target.kind === 'camera' &&
      !devices.cameras.some(({ cameraId }) => cameraId === target.id),
  )
  const known = foreign.find(({ target }) => target.id === chosenId)?.target
  const camera = inside ?? (chosenId ? { cameraId: chosenId, name: known?.name ?? chosenId } : undefined)
  const choose = (cameraId: string) => setSearch({ camera: cameraId })
  return (
    <div className={styles.live}>
      <h1 className="unseen">{t('nav.live')}</h1>
      <div className={styles.picking}>
        <CameraPicker
          cameras={devices.cameras}
          chosenId={chosenId}
          onChoose={choose}
          stateOf={(item) => {
            const state = cameraState(item, devices.edges)
            return { tone: CAMERA_TONES[state], text: t(`cameraState.${state}`) }
          }}
        />
        <GroupList />
        <OutsideCamera grants={foreign} chosenId={chosenId} onChoose={choose} />
      </div>
      <div className={styles.stage}>
        {camera ? (
          <div className={styles.stageInner}>
            <CameraPanel key={camera.cameraId} camera={camera} />
          </div>
        ) : (
          <EmptyNote>{t('live.choose')}</EmptyNote>
        )}
      </div>
    </div>
  )
}
