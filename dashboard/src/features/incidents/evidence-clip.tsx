import type { Alert } from '@patrolhub/protocol'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { evidenceUrl } from '../../lib/api.ts'
import { Button } from '../../ui/button.tsx'
import { ViewerMark } from '../../ui/viewer-mark.tsx'
import styles from './evidence-clip.module.css'

/** The seconds around an alert, if the edge has recorded them. Fetched, and so on the record, only when it is asked for. */
export function EvidenceClip({ alert }: { alert: Alert }) {
  const { t } = useTranslation()
  const [isShown, setShown] = useState(false)
  const [hasFailed, setFailed] = useState(false)
  const clip = alert.evidence.find(({ role }) => role === 'clip')
  if (!clip) return null
  if (clip.deletedAtMs !== undefined) return <p className={styles.note}>{t('evidence.deleted')}</p>
  if (!clip.isStored) return <p className={styles.note}>{t('evidence.clipOnItsWay')}</p>
  if (!isShown) {
    return (
      <p className={styles.note}>
        <Button onClick={() => setShown(true)}>{t('evidence.playClip')}</Button>
      </p>
    )
  }
  return (
    <div className={styles.screen}>
      <video
        className={styles.video}
        src={evidenceUrl(clip.evidenceId)}
        aria-label={t('evidence.clipOf', { name: alert.deviceName })}
        controls
        controlsList="nodownload noremoteplayback"
        autoPlay
        muted
        playsInline
        disablePictureInPicture
        onError={() => setFailed(true)}
      />
      <ViewerMark />
      {hasFailed ? (
        <p className={styles.failed} role="status">
          {t('evidence.clipFailed')}
        </p>
      ) : null}
    </div>
  )
}
