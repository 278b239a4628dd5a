import type { DetectedObject, NormBox, NormPoint, Severity } from '@patrolhub/protocol'
import { type CSSProperties, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { classLabel } from '../lib/reason.ts'
import styles from './evidence-picture.module.css'
import { focusWindow } from './focus-window.ts'
import { useEvidenceAddress } from './use-evidence-address.ts'

interface EvidencePictureProps {
  evidenceId: string | undefined
  /** False while the edge is still sending it. */
  isStored: boolean
  /** Its time was over: the picture is gone, what was seen is still known. */
  isDeleted?: boolean
  /** What the picture shows, for those who cannot see it. */
  alt: string
  severity?: Severity
  objects?: readonly DetectedObject[]
  zone?: readonly NormPoint[]
  trackPath?: readonly NormPoint[]
  /** A thumbnail shows the part of the picture around the subjects, and their boxes without words. */
  isThumbnail?: boolean
}

const THUMBNAIL_RATIO = 16 / 9
/** With more objects than this, words on those beside the subject would cover what matters. */
const MAX_NAMED_OBJECTS = 5
/** The way before the last so many points is drawn faintly. */
const RECENT_POINTS = 25

/** Enlarges the whole picture so that the window of the thumbnail fills its frame. */
function enlarged(boxes: readonly NormBox[], pictureRatio: number): CSSProperties {
  const { x, y, width, height } = focusWindow(boxes, pictureRatio, THUMBNAIL_RATIO)
  return {
    left: `${(-x / width) * 100}%`,
    top: `${(-y / height) * 100}%`,
    width: `${100 / width}%`,
    height: `${100 / height}%`,
  }
}

const points = (path: readonly NormPoint[]): string => path.map(([x, y]) => `${x},${y}`).join(' ')

function Drawing({
  objects,
  zone,
  trackPath,
}: Required<Pick<EvidencePictureProps, 'objects' | 'zone' | 'trackPath'>>) {
  return (
    <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
      {zone.length > 2 ? <polygon className={styles.zone} points={points(zone)} /> : null}
      {zone.length === 2 ? <polyline className={styles.zone} points={points(zone)} /> : null}
      {trackPath.length > RECENT_POINTS ? (
        <polyline className={styles.earlier} points={points(trackPath.slice(0, 1 - RECENT_POINTS))} />
      ) : null}
      {trackPath.length > 1 ? (
        <polyline className={styles.path} points={points(trackPath.slice(-RECENT_POINTS))} />
      ) : null}
      {objects.map(({ trackId, isSubject, boxNorm: [x1, y1, x2, y2] }) => (
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
  )
}

/**
 * A snapshot with what the judgement was about drawn over it: boxes, zone and the subject's path, all in fractions of
 * the picture. The picture itself stays as the edge sent it.
 */
export function EvidencePicture(props: EvidencePictureProps) {
  const { t } = useTranslation()
  const { evidenceId, isStored, objects = [], zone = [], trackPath = [], isThumbnail = false } = props
  const { address, hasFailed, onError } = useEvidenceAddress(evidenceId)
  const [ratio, setRatio] = useState(16 / 9)
  const shown = isThumbnail ? objects.filter((object) => object.isSubject) : objects
  const named = shown.length > MAX_NAMED_OBJECTS ? shown.filter((object) => object.isSubject) : shown
  const boxes = shown.map((object) => object.boxNorm)
  // The layer takes the picture's own shape, so that fractions of one are fractions of the other.
  const frame = { '--ratio': isThumbnail ? THUMBNAIL_RATIO : ratio } as CSSProperties
  return (
    <figure
      className={`${styles.picture} ${styles[props.severity ?? 'info']} ${isThumbnail ? styles.thumbnail : ''}`}
    >
      <div className={styles.frame} style={frame}>
        {address === undefined || !isStored || hasFailed ? (
          <span className={styles.missing}>
            {t(
              props.isDeleted ? 'evidence.deleted' : hasFailed ? 'evidence.unavailable' : 'evidence.onItsWay',
            )}
          </span>
        ) : (
          <div className={styles.layer} style={isThumbnail ? enlarged(boxes, ratio) : undefined}>
            <img
              src={address}
              alt={props.alt}
              decoding="async"
              // Each picture that is fetched is an entry in the record of viewing: none that nobody scrolls to.
              loading={isThumbnail ? 'lazy' : 'eager'}
              onError={onError}
              onLoad={(event) => {
                const { naturalWidth, naturalHeight } = event.currentTarget
                if (naturalHeight > 0) setRatio(naturalWidth / naturalHeight)
              }}
            />
            <Drawing objects={shown} zone={zone} trackPath={trackPath} />
            {isThumbnail
              ? null
              : named.map(({ trackId, isSubject, className, score, boxNorm: [x1, y1] }) => (
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
        )}
      </div>
    </figure>
  )
}
