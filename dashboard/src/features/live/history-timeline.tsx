import type { HistorySpan, HistoryStretch } from '@patrolhub/protocol'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { clockTime, fullTime } from '../../lib/time.ts'
import { drawnStretches } from './history-span.ts'
import styles from './history-timeline.module.css'

interface HistoryTimelineProps {
  span: HistorySpan
  stretches: readonly HistoryStretch[]
  atMs: number
  onSeek: (atMs: number) => void
}

/** The span with what is recorded of it; a click or the arrow keys go there. */
export function HistoryTimeline({ span, stretches, atMs, onSeek }: HistoryTimelineProps) {
  const { t, i18n } = useTranslation()
  const [draggedMs, setDragged] = useState<number>()
  const shownMs = draggedMs ?? atMs
  const commit = () => {
    if (draggedMs === undefined) return
    setDragged(undefined)
    onSeek(draggedMs)
  }
  return (
    <div className={styles.timeline}>
      <div className={styles.track}>
        {drawnStretches(stretches, span).map(({ from, width }) => (
          <span
            key={from}
            className={styles.stretch}
            style={{ left: `${from * 100}%`, width: `${width * 100}%` }}
          />
        ))}
        <input
          className={styles.slider}
          type="range"
          min={span.fromMs}
          max={span.toMs}
          step={1000}
          value={shownMs}
          aria-label={t('history.position')}
          aria-valuetext={fullTime(shownMs)}
          onChange={(event) => setDragged(Number(event.currentTarget.value))}
          onPointerUp={commit}
          onKeyUp={commit}
          onBlur={commit}
        />
      </div>
      <div className={styles.ends}>
        <span>{clockTime(span.fromMs, i18n.language)}</span>
        <strong>{fullTime(shownMs)}</strong>
        <span>{clockTime(span.toMs, i18n.language)}</span>
      </div>
    </div>
  )
}
