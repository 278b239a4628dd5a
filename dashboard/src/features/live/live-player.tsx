import type { CameraHealth, Grant } from '@patrolhub/protocol'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { keys } from '../../lib/queries.ts'
import { countdown } from '../../lib/time.ts'
import { useNowMs } from '../../lib/use-now.ts'
import { Button } from '../../ui/button.tsx'
import { DrillMark } from '../../ui/drill-mark.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { ViewerMark } from '../../ui/viewer-mark.tsx'
import { FlvPlayer, type PlayerState, playsH265 } from './flv-player.ts'
import styles from './live-player.module.css'
import { useEndGrant } from './use-end-grant.ts'

interface LivePlayerProps {
  grant: Grant
  name: string
  playPath: string
  /** What the camera sends, where that is known. */
  codec: CameraHealth['codec'] | undefined
  /** Stops playing without ending the grant, which is for more than this camera. */
  onStop?: () => void
}

/** The live picture under an active grant, until it ends or is stopped. */
export function LivePlayer({ grant, name, playPath, codec, onStop }: LivePlayerProps) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const video = useRef<HTMLVideoElement>(null)
  const screen = useRef<HTMLDivElement>(null)
  const [state, setState] = useState<PlayerState>({ kind: 'connecting' })
  const nowMs = useNowMs()
  const isOver = nowMs >= grant.endAtMs
  const end = useEndGrant(grant.grantId)

  useEffect(() => {
    if (!video.current || isOver) return
    const player = new FlvPlayer({ video: video.current, playPath, onState: setState })
    player.start()
    return () => player.close()
  }, [playPath, isOver])

  const isRefused = state.kind === 'refused'
  useEffect(() => {
    // The hub knows why: the grant's state says expired or revoked.
    if (isOver || isRefused) void queries.invalidateQueries({ queryKey: keys.grants })
  }, [isOver, isRefused, queries])

  const message =
    state.kind === 'playing'
      ? undefined
      : state.kind === 'waiting'
        ? t(`live.${state.why}`)
        : t(`live.${state.kind}`)
  return (
    <div className={styles.player}>
      <div ref={screen} className={styles.screen}>
        <video
          ref={video}
          className={styles.video}
          aria-label={t('live.videoOf', { name })}
          muted
          autoPlay
          playsInline
          disablePictureInPicture
        />
        <ViewerMark />
        <span className={styles.liveMark} data-on={state.kind === 'playing' || undefined}>
          {t('live.live')}
        </span>
        {grant.plan?.isDrill ? (
          <span className={styles.drillMark}>
            <DrillMark />
          </span>
        ) : null}
        {message ? (
          <p className={styles.message} role="status">
            {message}
          </p>
        ) : null}
      </div>
      <div className={styles.bar}>
        <span>
          {t('live.remaining')}{' '}
          <strong role="timer" aria-label={t('live.remaining')} className={styles.left}>
            {countdown(grant.endAtMs, nowMs)}
          </strong>
        </span>
        <span className={styles.purpose}>
          {t(`purpose.${grant.purpose}`)}
          {grant.note ? `: ${grant.note}` : ''}
        </span>
        {/* The whole screen element, so that the mark of the viewer goes along. */}
        <Button onClick={() => void screen.current?.requestFullscreen?.().catch(() => {})}>
          {t('live.fullScreen')}
        </Button>
        <Button look="danger" isBusy={end.isPending} onClick={() => (onStop ? onStop() : end.mutate())}>
          {t('live.stop')}
        </Button>
      </div>
      {codec === 'h265' && !playsH265() ? <p className={styles.converted}>{t('live.converted')}</p> : null}
      <ErrorNote error={end.error} />
    </div>
  )
}
