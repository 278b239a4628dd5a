import type { Dispatch } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { nextDeadline } from '../lib/dispatch-progress.ts'
import { countdown } from '../lib/time.ts'
import { useNowMs } from '../lib/use-now.ts'
import { StateMark } from './state-mark.tsx'

const SOON_MS = 60_000

/** Time left to the next deadline of a dispatch, or by how much it was missed, and which were missed before. */
export function DeadlineText({ dispatch }: { dispatch: Dispatch }) {
  const { t } = useTranslation()
  const nowMs = useNowMs()
  const deadline = nextDeadline(dispatch)
  const leftMs = deadline ? deadline.atMs - nowMs : 0
  return (
    <>
      {dispatch.missed
        .filter((what) => what !== deadline?.what)
        .map((what) => (
          <StateMark key={what} tone="warn">
            {t(`deadline.${what}Late`)}
          </StateMark>
        ))}
      {deadline && leftMs < 0 ? (
        <StateMark tone="bad">
          {t(`deadline.${deadline.what}Missed`, { time: countdown(nowMs, deadline.atMs) })}
        </StateMark>
      ) : null}
      {deadline && leftMs >= 0 ? (
        <StateMark tone={leftMs < SOON_MS ? 'warn' : 'dim'}>
          {t(`deadline.${deadline.what}`, { time: countdown(deadline.atMs, nowMs) })}
        </StateMark>
      ) : null}
    </>
  )
}
