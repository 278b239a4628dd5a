/**
 * When the pictures of a ring were taken, by the wall clock. Enters: segments, whose names say when their first picture
 * came and where it stands on the stream's clock. Between the first pictures of two segments that follow each other the
 * time passes evenly, so that a picture has the same time whenever it is asked for, and times never run backwards.
 */
import type { Segment } from './segment.ts'

/** A longer way to the next segment means that something between is missing. A segment has ten seconds and a group. */
const MAX_JOINED_MS = 20_000
/** The arrival of first pictures trembles by so much; beyond it the clock was set, and it says nothing. */
const MIN_RATE = 0.8
const MAX_RATE = 1.25
/** How long the last picture of a stretch is shown. */
const LAST_PICTURE_MS = 40

export interface TimedSegment {
  segment: Pick<Segment, 'name' | 'content' | 'openToRead'>
  /** Wall clock of the first picture. */
  fromMs: number
  /** Wall clock at which it ends: where the next one begins, if that follows without a break. */
  toMs: number
  /** Wall clock that passes while one millisecond of the stream's clock does. */
  rate: number
  /** True if the next one goes on where it ends. */
  isJoined: boolean
}

export interface Stretch {
  fromMs: number
  toMs: number
}

/** Oldest first. Reads the file of a segment of an earlier run where its length is not known from its neighbour. */
export async function timeSegments(segments: readonly TimedSegment['segment'][]): Promise<TimedSegment[]> {
  const ordered = segments.toSorted((a, b) => a.name.startedAtMs - b.name.startedAtMs)
  const timed: TimedSegment[] = []
  for (const [index, segment] of ordered.entries()) {
    const { startedAtMs: fromMs, firstPtsMs } = segment.name
    const next = ordered[index + 1]?.name
    const streamMs = next?.streamId === segment.name.streamId ? next.firstPtsMs - firstPtsMs : 0
    const rate = next && streamMs > 0 ? (next.startedAtMs - fromMs) / streamMs : 0
    if (next && streamMs <= MAX_JOINED_MS && rate >= MIN_RATE && rate <= MAX_RATE) {
      timed.push({ segment, fromMs, toMs: next.startedAtMs, rate, isJoined: true })
      continue
    }
    const { lastPtsMs } = await segment.content()
    const endMs = fromMs + Math.max(0, lastPtsMs - firstPtsMs) + LAST_PICTURE_MS
    const toMs = Math.max(fromMs, Math.min(endMs, next?.startedAtMs ?? endMs))
    timed.push({ segment, fromMs, toMs, rate: 1, isJoined: false })
  }
  return timed
}

/** Wall clock of the stream clock's `ptsMs`, whole milliseconds. */
export function wallOf({ segment, fromMs, rate }: TimedSegment, ptsMs: number): number {
  return Math.round(fromMs + (ptsMs - segment.name.firstPtsMs) * rate)
}

/** Stream clock at the wall clock's `atMs`. */
export function streamTimeAt({ segment, fromMs, rate }: TimedSegment, atMs: number): number {
  return segment.name.firstPtsMs + (atMs - fromMs) / rate
}

/** What is held of a span without a break, oldest first, cut to the span. */
export function stretchesOf(timed: readonly TimedSegment[], span: Stretch): Stretch[] {
  const stretches: Stretch[] = []
  let isOpen = false
  for (const { fromMs, toMs, isJoined } of timed) {
    const begin = Math.max(fromMs, span.fromMs)
    const end = Math.min(toMs, span.toMs)
    if (end > begin) {
      const last = stretches.at(-1)
      if (isOpen && last) last.toMs = end
      else stretches.push({ fromMs: begin, toMs: end })
    }
    isOpen = isJoined && end > begin
  }
  return stretches
}
