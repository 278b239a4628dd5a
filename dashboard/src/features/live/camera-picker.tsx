import type { Camera } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { useRegionName } from '../../lib/region-name.ts'
import { EmptyNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { StateDot, type Tone } from '../../ui/state-mark.tsx'
import styles from './camera-picker.module.css'

interface CameraPickerProps {
  cameras: readonly Camera[]
  chosenId: string | undefined
  onChoose: (cameraId: string) => void
  stateOf: (camera: Camera) => { tone: Tone; text: string }
}

/** The cameras inside the scope; one is chosen. */
export function CameraPicker({ cameras, chosenId, onChoose, stateOf }: CameraPickerProps) {
  const { t } = useTranslation()
  const regionName = useRegionName()
  return (
    <Panel title={t('devices.cameras')} scrolls>
      {cameras.length === 0 ? <EmptyNote>{t('devices.noCameras')}</EmptyNote> : null}
      <ul aria-label={t('devices.cameras')}>
        {cameras.map((camera) => {
          const state = stateOf(camera)
          return (
            <li key={camera.cameraId}>
              <button
                type="button"
                className={styles.row}
                aria-pressed={camera.cameraId === chosenId}
                onClick={() => onChoose(camera.cameraId)}
              >
                <strong>{camera.name}</strong>
                <StateDot tone={state.tone}>{state.text}</StateDot>
                <span className={styles.detail}>
                  {regionName(camera.region)} · {t(`sensitivity.${camera.sensitivity}`)}
                </span>
              </button>
            </li>
          )
        })}
      </ul>
    </Panel>
  )
}
