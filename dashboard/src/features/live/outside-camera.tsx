import type { Grant } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { Button } from '../../ui/button.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { Panel } from '../../ui/panel.tsx'
import styles from './camera-picker.module.css'

interface OutsideCameraProps {
  /** The own grants for cameras that are not on the list. */
  grants: readonly Grant[]
  chosenId: string | undefined
  onChoose: (cameraId: string) => void
}

/** A camera outside the scope is named by its id, which the colleague who has it tells: there is no list of them. */
export function OutsideCamera({ grants, chosenId, onChoose }: OutsideCameraProps) {
  const { t } = useTranslation()
  const known = new Map(grants.map(({ target }) => [target.id, target.name]))
  return (
    <Panel title={t('live.outside')}>
      <ul aria-label={t('live.outside')}>
        {[...known].map(([cameraId, name]) => (
          <li key={cameraId}>
            <button
              type="button"
              className={styles.row}
              aria-pressed={cameraId === chosenId}
              onClick={() => onChoose(cameraId)}
            >
              <strong>{name}</strong>
            </button>
          </li>
        ))}
      </ul>
      <form
        className={styles.outside}
        onSubmit={(event) => {
          event.preventDefault()
          onChoose(textOf(new FormData(event.currentTarget), 'cameraId'))
        }}
      >
        <TextField
          label={t('live.outsideId')}
          hint={t('live.outsideHint')}
          name="cameraId"
          pattern="[A-Za-z0-9][A-Za-z0-9_\-]{0,63}"
          autoComplete="off"
          required
        />
        <Button type="submit">{t('live.outsideChoose')}</Button>
      </form>
    </Panel>
  )
}
