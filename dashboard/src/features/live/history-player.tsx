import { type Grant, HISTORY_SPEEDS, type HistorySpan } from '@patrolhub/protocol'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { keys, recordedQuery } from '../../lib/queries.ts'
import { useMay } from '../../lib/session.ts'
import { countdown, fullTime } from '../../lib/time.ts'
import { useNowMs } from '../../lib/use-now.ts'
import { Button } from '../../ui/button.tsx'
import { EmptyNote, ErrorNote } from '../../ui/notes.tsx'
import { ViewerMark } from '../../ui/viewer-mark.tsx'
import { ExportDialog } from './export-dialog.tsx'
import styles from './history-player.module.css'
import { HistorySource, type HistoryState } from './history-source.ts'
import { nextRecorded } from './history-span.ts'
import { HistoryTimeline } from './history-timeline.tsx'
import { useEndGrant } from './use-end-grant.ts'

const STEP_MS = 10_000

interface HistoryPlayerProps {
  grant: Grant
  history: HistorySpan
  camera: { cameraId: string; name: string }
  playPath: string
}

/** Where it plays, or that it does not; a new object for each start, so that the same place can be asked for again. */
interface Playing {
  fromMs: number
}

/** What was recorded in the span of an active grant, with a timeline of it. */
export function HistoryPlayer({ grant, history, camera, playPath }: HistoryPlayerProps) {
  const { t } = useTranslation()
  const may = useMay()
  const queries = useQueryClient()
  const nowMs = useNowMs()
  const video = useRef<HTMLVideoElement>(null)
  const still = useRef<HTMLCanvasElement>(null)
  const screen = useRef<HTMLDivElement>(null)
  const [state, setState] = useState<HistoryState>({ kind: 'over' })
  const [playing, setPlaying] = useState<Playing>()
  const [atMs, setAt] = useState(history.fromMs)
  const [speed, setSpeed] = useState<number>(1)
  const [isExporting, setExporting] = useState(false)
  const end = useEndGrant(grant.grantId)
  const recorded = useQuery(recordedQuery(grant.grantId, camera.cameraId))
  const stretches = recorded.data?.stretches ?? []
  const isOver = nowMs >= grant.endAtMs

  /** Keeps the picture that is shown: closing the stream takes it away. */
  const keepStill = useCallback(() => {
    const { current: shown } = video
    const { current: canvas } = still
    if (!shown || !canvas || shown.videoWidth === 0) return
    canvas.width = shown.videoWidth
    canvas.height = shown.videoHeight
    canvas.getContext('2d')?.drawImage(shown, 0, 0)
  }, [])

  useEffect(() => {
    if (!video.current || !playing || isOver) return
    const source = new HistorySource({
      video: video.current,
      path: `${playPath}&at=${Math.round(playing.fromMs)}&speed=${speed}`,
      speed,
      onState: (next) => {
        if (next.kind !== 'playing') keepStill()
        setState(next)
      },
      onTime: setAt,
    })
    source.start()
    return () => source.close()
  }, [playPath, playing, speed, isOver, keepStill])

  const play = (fromMs: number) => {
    const next = nextRecorded(stretches, fromMs)
    if (next === undefined) return
    setAt(next)
    setState({ kind: 'loading' })
    setPlaying({ fromMs: next })
  }
  const pause = () => {
    keepStill()
    setPlaying(undefined)
  }
  const seek = (toMs: number) => {
    const wanted = Math.min(Math.max(toMs, history.fromMs), history.toMs)
    if (playing) play(wanted)
    else setAt(wanted)
  }

  const isRefused = state.kind === 'failed' && state.why === 'refused'
  useEffect(() => {
    // The hub knows why: the grant's state says expired or revoked.
    if (isOver || isRefused) void queries.invalidateQueries({ queryKey: keys.grants })
  }, [isOver, isRefused, queries])

  const isAtWork = playing !== undefined && (state.kind === 'loading' || state.kind === 'playing')
  const message =
    playing === undefined || state.kind === 'playing'
      ? undefined
      : state.kind === 'failed'
        ? t(`history.failed.${state.why}`)
        : t(`history.${state.kind}`)
  return (
    <div className={styles.player}>
      <div ref={screen} className={styles.screen}>
        <video
          ref={video}
          className={styles.video}
          aria-label={t('history.videoOf', { name: camera.name })}
          muted
          playsInline
          disablePictureInPicture
        />
        <canvas ref={still} className={styles.still} hidden={isAtWork && state.kind === 'playing'} />
        <ViewerMark />
        <span className={styles.time}>
          {t('history.recordedAt')} {fullTime(atMs)}
        </span>
        {message ? (
          <p className={styles.message} role="status">
            {message}
          </p>
        ) : null}
      </div>
      <HistoryTimeline span={history} stretches={stretches} atMs={atMs} onSeek={seek} />
      {recorded.data && stretches.length === 0 ? <EmptyNote>{t('history.none')}</EmptyNote> : null}
      <ErrorNote error={recorded.error} onRetry={() => void recorded.refetch()} />
      <div className={styles.bar}>
        {isAtWork ? (
          <Button look="primary" onClick={pause}>
            {t('history.pause')}
          </Button>
        ) : (
          <Button
            look="primary"
            disabled={nextRecorded(stretches, atMs) === undefined}
            onClick={() => play(atMs)}
          >
            {t('history.play')}
          </Button>
        )}
        <Button onClick={() => seek(atMs - STEP_MS)}>−10 s</Button>
        <Button onClick={() => seek(atMs + STEP_MS)}>+10 s</Button>
        <label className={styles.speed}>
          {t('history.speed')}
          <select
            value={speed}
            onChange={(event) => {
              setSpeed(Number(event.currentTarget.value))
              if (playing) play(atMs)
            }}
          >
            {HISTORY_SPEEDS.map((value) => (
              <option key={value} value={value}>
                {value}×
              </option>
            ))}
          </select>
        </label>
        <span className={styles.purpose}>
          {t(`purpose.${grant.purpose}`)}
          {grant.note ? `: ${grant.note}` : ''}
        </span>
        <span>
          {t('live.remaining')}{' '}
          <strong role="timer" aria-label={t('live.remaining')} className={styles.left}>
            {countdown(grant.endAtMs, nowMs)}
          </strong>
        </span>
        {may('export.make') ? (
          <Button onClick={() => setExporting(true)}>{t('history.export')}</Button>
        ) : null}
        {/* The whole screen element, so that the mark of the viewer goes along. */}
        <Button onClick={() => void screen.current?.requestFullscreen?.().catch(() => {})}>
          {t('live.fullScreen')}
        </Button>
        <Button look="danger" isBusy={end.isPending} onClick={() => end.mutate()}>
          {t('live.stop')}
        </Button>
      </div>
      <ErrorNote error={end.error} />
      {isExporting ? (
        <ExportDialog grantId={grant.grantId} camera={camera} onClose={() => setExporting(false)} />
      ) : null}
    </div>
  )
}
