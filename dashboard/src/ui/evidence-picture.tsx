import type { DetectedObject, NormPoint, NormPolygon, Severity } from '@patrolhub/protocol'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { evidenceUrl } from '../lib/api.ts'
import { classLabel } from '../lib/reason.ts'
import styles from './evidence-picture.module.css'

interface EvidencePictureProps {
  evidenceId: string | undefined
  /** False while the edge is still sending it. */
  isStored: boolean
  /** What the picture shows, for those who cannot see it. */
  alt: string
  severity?: Severity
  objects?: readonly DetectedObject[]
  zone?: NormPolygon | readonly NormPoint[]
  trackPath?: readonly NormPoint[]
  /** A thumbnail draws the subjects only, without words. */
  isThumbnail?: boolean
}

const points = (path: readonly NormPoint[]): string => path.map(([x, y]) => `${x},${y}`).join(' ')

/**
 * A snapshot with what the judgement was about drawn over it: boxes, zone and the subject's path, all in fractions of
 * the picture. The picture itself stays as the edge sent it.
 */
export function EvidencePicture(props: EvidencePictureProps) {
  const { t } = useTranslation()
  const { evidenceId, isStored, objects = [], zone, trackPath = [], isThumbnail = false } = props
  const [failedId, setFailedId] = useState<string>()
  const [ratio, setRatio] = useState(16 / 9)
  const isMissing = evidenceId === undefined || !isStored || failedId === evidenceId
  const shown = isThumbnail ? objects.filter((object) => object.isSubject) : objects
  const tone = styles[props.severity ?? 'info']
  return (
    <figure className={`${styles.picture} ${tone} ${isThumbnail ? styles.thumbnail : ''}`}>
      {/* The frame takes the picture's own shape, so that fractions of one are fractions of the other. */}
      <div className={styles.frame} style={{ aspectRatio: ratio }}>
        {isMissing ? (
          <span className={styles.missing}>
            {failedId === evidenceId && evidenceId !== undefined
              ? t('evidence.unavailable')
              : t('evidence.onItsWay')}
          </span>
        ) : (
          <img
            src={evidenceUrl(evidenceId)}
            alt={props.alt}
            loading={isThumbnail ? 'lazy' : 'eager'}
            decoding="async"
            onError={() => setFailedId(evidenceId)}
            onLoad={(event) => {
              const { naturalWidth, naturalHeight } = event.currentTarget
              if (naturalHeight > 0) setRatio(naturalWidth / naturalHeight)
            }}
          />
        )}
        <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
          {zone && zone.length > 2 ? <polygon className={styles.zone} points={points(zone)} /> : null}
          {zone && zone.length === 2 ? <polyline className={styles.zone} points={points(zone)} /> : null}
          {trackPath.length > 1 ? <polyline className={styles.path} points={points(trackPath)} /> : null}
          {shown.map(({ trackId, isSubject, boxNorm: [x1, y1, x2, y2] }) => (
            <rect
              key={trackId}
              className={isSubject ? styles.subject : styles.other}
              x={x1}
              y={y1}
              width={Math.max(0, x2 - x1)}
              height={Math.max(0, y2 - y1)}
            />
          ))}
        </svg>
        {isThumbnail
          ? null
          : shown.map(({ trackId, isSubject, className, score, boxNorm: [x1, y1] }) => (
              <span
                key={trackId}
                className={isSubject ? styles.subjectName : styles.otherName}
                style={{ left: `${x1 * 100}%`, top: `${y1 * 100}%` }}
                data-below={y1 < 0.06 || undefined}
              >
                {classLabel(className, t)} {Math.round(score * 100)}%
              </span>
            ))}
      </div>
    </figure>
  )
}
