/**
 * A clip of one stretch of recorded history as MP4, without coding anything anew and without anything of outside the
 * span. H.264 goes picture by picture; of H.265, which the ring keeps as MPEG-TS, a little of the end is left out.
 */
import { Readable } from 'node:stream'
import { encodeFlvHeader } from '@patrolhub/protocol/flv'
import { EdgeError } from '../errors.ts'
import type { CameraRing } from '../recording/camera-ring.ts'
import { cutClip, toMp4 } from '../recording/clip.ts'
import {
  type Stretch,
  streamTimeAt,
  type TimedSegment,
  timeSegments,
  wallOf,
} from '../recording/stretches.ts'
import { type HistoryTag, readHistory } from './playback.ts'

const TIMEOUT_MS = 5 * 60_000
/** ffmpeg ends a copy by the order of decoding: pictures that are shown later than they are decoded go past the end. */
const REORDER_MS = 1000

export interface HistoryCut extends Stretch {
  maxBytes: number
}

/**
 * Writes what the first stretch inside the span holds to `file` and answers the wall clock of its first picture;
 * `undefined` if nothing is held. Rejects with EDGE_CLIP_FAILED if it is larger than `maxBytes` or ffmpeg fails.
 */
export async function cutHistory(
  ring: CameraRing,
  span: HistoryCut,
  file: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const timed = await timeSegments(await ring.held())
  const first = timed.findIndex(({ fromMs, toMs }) => toMs > span.fromMs && fromMs < span.toMs)
  if (first < 0) return undefined
  const begin = timed[first]!
  const end = timed.slice(first).find(({ isJoined, toMs }) => !isJoined || toMs >= span.toMs) ?? begin
  const stretch = {
    fromMs: Math.max(span.fromMs, begin.fromMs),
    toMs: Math.min(span.toMs, end.toMs),
    maxBytes: span.maxBytes,
  }
  const isFlv = begin.segment.name.container === 'flv'
  return isFlv ? cutFlv(ring, stretch, file, signal) : cutOther(ring, { stretch, begin, end }, file, signal)
}

async function cutFlv(
  ring: CameraRing,
  stretch: HistoryCut,
  file: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const tags = readHistory(ring, stretch, stretch.fromMs, (_name, error) => {
    throw new EdgeError('EDGE_CLIP_FAILED', `the recording is damaged: ${error.message}`, { cause: error })
  })
  const first = await tags.next()
  if (first.done) return undefined
  const input = Readable.from(bytesOf(first.value, tags, stretch.maxBytes), { objectMode: false })
  const failed = new Promise<never>((_, reject) => input.once('error', reject))
  const made = toMp4(input, { container: 'flv', seconds: undefined, file, signal, timeoutMs: TIMEOUT_MS })
  // The one that comes second has nobody waiting for it.
  made.catch(() => undefined)
  failed.catch(() => undefined)
  await Promise.race([made, failed])
  return first.value.atMs
}

async function* bytesOf(
  first: HistoryTag,
  rest: AsyncIterable<HistoryTag>,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  yield encodeFlvHeader({ audio: false, video: true })
  yield first.bytes
  let bytes = first.bytes.length
  for await (const tag of rest) {
    bytes += tag.bytes.length
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    yield tag.bytes
  }
}

async function cutOther(
  ring: CameraRing,
  { stretch, begin, end }: { stretch: HistoryCut; begin: TimedSegment; end: TimedSegment },
  file: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const fromMs = streamTimeAt(begin, stretch.fromMs)
  const toMs = streamTimeAt(end, stretch.toMs) - REORDER_MS
  const { streamId } = begin.segment.name
  const wish = { streamId, fromMs, atMs: fromMs, toMs, maxBytes: stretch.maxBytes }
  const clip = await cutClip(ring, { ...wish, startsInside: true, timeoutMs: TIMEOUT_MS }, file, signal)
  if (!clip) return undefined
  if (clip.isShortened) throw tooLarge(stretch.maxBytes)
  return wallOf(begin, clip.fromMs)
}

function tooLarge(maxBytes: number): EdgeError {
  return new EdgeError('EDGE_CLIP_FAILED', `the clip is larger than ${maxBytes} bytes`)
}
