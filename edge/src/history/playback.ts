/**
 * Recorded pictures of a span, one after the other. Enters: a ring and a span. Leaves: FLV tags whose time counts from
 * the span's begin, untouched but for that. Invariants: no picture is decoded or shown outside the span; times never run
 * backwards; memory is one piece of a file and one tag.
 */
import type { FileHandle } from 'node:fs/promises'
import {
  FlvError,
  FlvReader,
  type FlvTag,
  MAX_FLV_TAG_BYTES,
  readVideoPacket,
  setTimestamp,
} from '@patrolhub/protocol/flv'
import { Unwrapper } from '../capture/unwrapper.ts'
import type { CameraRing } from '../recording/camera-ring.ts'
import type { SegmentName } from '../recording/segment-name.ts'
import { type Stretch, type TimedSegment, timeSegments, wallOf } from '../recording/stretches.ts'

const READ_BYTES = 256 * 1024
const FLV_CLOCK_MS = 2 ** 31

/** One tag of the way, and the wall clock of its decoding. */
export interface HistoryTag {
  bytes: Buffer
  atMs: number
}

/** Nothing of the span can be played because of its format. */
export class UnplayableError extends Error {}

/**
 * From the key frame at or before `atMs`, if that lies inside, else from the first one after it. Gives nothing if
 * nothing of the span is held; throws UnplayableError if what is held is not FLV. The rest of a segment that is damaged
 * is left out, and `onDamaged` told.
 */
export async function* readHistory(
  ring: Pick<CameraRing, 'held'>,
  span: Stretch,
  atMs: number,
  onDamaged: (name: SegmentName, error: FlvError) => void,
): AsyncGenerator<HistoryTag> {
  const timed = await timeSegments(await ring.held())
  const wanted = timed.filter(({ fromMs, toMs }) => toMs > Math.max(atMs, span.fromMs) && fromMs < span.toMs)
  const playable = wanted.filter(({ segment }) => segment.name.container === 'flv')
  if (playable.length === 0 && wanted.length > 0) {
    throw new UnplayableError('it was recorded as H.265, which cannot be played from the recording')
  }
  /** How to decode: what was sent last, and what has to go before the next picture. */
  let sentHeader: Buffer | undefined
  let header: FlvTag | undefined
  let lastAtMs = span.fromMs
  const timedAs = (tag: FlvTag): HistoryTag => {
    setTimestamp(tag, lastAtMs - span.fromMs)
    return { bytes: tag.bytes, atMs: lastAtMs }
  }
  for (const one of playable) {
    try {
      for await (const { tag, dtsMs, ptsMs } of tagsOf(one, span, sentHeader ? one.fromMs : atMs)) {
        if (ptsMs === undefined) {
          header = sentHeader?.equals(tag.bytes) ? undefined : tag
          continue
        }
        // In the order of decoding: what comes later may need this one.
        if (Math.max(dtsMs, ptsMs) > span.toMs) return
        if (ptsMs < span.fromMs) continue
        lastAtMs = Math.max(lastAtMs, dtsMs)
        if (header) {
          sentHeader = Buffer.from(header.bytes)
          yield timedAs(header)
          header = undefined
        }
        yield timedAs(tag)
      }
    } catch (error) {
      // What stands behind the damage cannot be found again; the next segment can.
      if (!(error instanceof FlvError)) throw error
      onDamaged(one.segment.name, error)
    }
  }
}

/** `ptsMs` is `undefined` for a sequence header, whose time is 0. */
interface TimedTag {
  tag: FlvTag
  dtsMs: number
  ptsMs: number | undefined
}

/** Of one segment, from the group that `atMs` lies in, or from the first one inside the span. */
async function* tagsOf(timed: TimedSegment, span: Stretch, atMs: number): AsyncGenerator<TimedTag> {
  const { segment } = timed
  const file = await segment.openToRead()
  if (!file) return
  try {
    const { groups, headBytes, bytes } = await segment.content()
    const inside = groups.filter(({ ptsMs }) => wallOf(timed, ptsMs) >= span.fromMs)
    const start = inside.findLast(({ ptsMs }) => wallOf(timed, ptsMs) <= atMs) ?? inside[0]
    if (!start) return
    const reader = new FlvReader({ maxTagBytes: MAX_FLV_TAG_BYTES })
    const clock = new Unwrapper(FLV_CLOCK_MS)
    let shiftMs: number | undefined
    for (const [from, to] of [
      [0, headBytes],
      [start.offset, bytes],
    ] as const) {
      for await (const chunk of pieces(file, from, to)) {
        for (const tag of reader.push(chunk)) {
          if (tag.kind !== 'video') continue
          const packet = readVideoPacket(tag)
          if (packet.role === 'other') continue
          if (packet.role === 'sequence-header') {
            setTimestamp(tag, 0)
            yield { tag, dtsMs: 0, ptsMs: undefined }
            continue
          }
          const decodedMs = clock.next(tag.timestampMs & 0x7fffffff)
          shiftMs ??= start.ptsMs - decodedMs - packet.compositionMs
          const streamMs = decodedMs + shiftMs
          yield {
            tag,
            dtsMs: wallOf(timed, streamMs),
            ptsMs: wallOf(timed, streamMs + packet.compositionMs),
          }
        }
      }
    }
  } finally {
    await file.close()
  }
}

async function* pieces(file: FileHandle, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to; ) {
    const length = Math.min(READ_BYTES, to - at)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, at)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}
