/** Spans of history as a form and a timeline show them. Pure. */
import type { HistorySpan, HistoryStretch } from '@patrolhub/protocol'

const BEFORE_MS = 2 * 60_000
const AFTER_MS = 3 * 60_000
const RECENT_MS = 10 * 60_000

/** What is proposed: the minutes around an event, or the last ones. Whole seconds. */
export function defaultSpan(aroundMs: number | undefined, nowMs: number): HistorySpan {
  const second = (ms: number) => Math.floor(ms / 1000) * 1000
  if (aroundMs === undefined) return { fromMs: second(nowMs - RECENT_MS), toMs: second(nowMs) }
  return { fromMs: second(aroundMs - BEFORE_MS), toMs: second(Math.min(aroundMs + AFTER_MS, nowMs)) }
}

/** As a `datetime-local` field wants it: the viewer's own zone, without a name of it. */
export function fieldTime(atMs: number): string {
  const date = new Date(atMs)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** The other way round. */
export function timeIn(field: string): number {
  return new Date(field).getTime()
}

/** Where playing goes on from this time: there, or at the begin of the next stretch; `undefined` if nothing follows. */
export function nextRecorded(stretches: readonly HistoryStretch[], atMs: number): number | undefined {
  const next = stretches.find(({ toMs }) => toMs > atMs)
  return next && Math.max(next.fromMs, atMs)
}

/** Places of stretches on a bar of length 1, the nearest ones joined, so that there are never too many to draw. */
export function drawnStretches(
  stretches: readonly HistoryStretch[],
  { fromMs, toMs }: HistorySpan,
): { from: number; width: number }[] {
  const lengthMs = toMs - fromMs
  const drawn: { from: number; to: number }[] = []
  for (const stretch of stretches) {
    const from = (stretch.fromMs - fromMs) / lengthMs
    const to = (stretch.toMs - fromMs) / lengthMs
    const last = drawn.at(-1)
    if (last && from - last.to < 0.002) last.to = Math.max(last.to, to)
    else drawn.push({ from, to })
  }
  return drawn.map(({ from, to }) => ({ from, width: to - from }))
}

/** What the hub has told of the player's clock: from `streamMs` on the picture was taken `atMs - streamMs` later. */
export interface TimeMark {
  streamMs: number
  atMs: number
}

/** When the picture at this place of the player's clock was taken; `undefined` before the first mark. */
export function pictureTime(marks: readonly TimeMark[], streamMs: number): number | undefined {
  // A place just before the first mark is the first picture, not nothing.
  const mark = marks.findLast((one) => one.streamMs <= streamMs) ?? marks[0]
  return mark && mark.atMs + Math.max(0, streamMs - mark.streamMs)
}
