/**
 * A compressed stream that FLV cannot carry (H.265), as MPEG-TS (ISO/IEC 13818-1): bytes in, times of pictures out,
 * and a cache to decode a picture from. Relies on what our ffmpeg writes: one video stream, program tables in front
 * of every picture, the random access indicator on key frames, and each picture flushed whole.
 */
import { EdgeError } from '../errors.ts'
import type { CompressedClip, CompressedUnit, PictureSink } from './compressed.ts'
import { PictureCache } from './picture-cache.ts'
import { readTicks } from './ts-picture.ts'
import { Unwrapper } from './unwrapper.ts'

const PACKET_BYTES = 188
const PAT_PID = 0
const TICKS_PER_MS = 90

interface Pending {
  ptsMs: number
  isKeyFrame: boolean
  packets: Buffer[]
}

/** A PES start (2.4.3.6): its presentation time in 90 kHz ticks; `undefined` if this payload starts no video PES. */
function readPts(payload: Buffer): number | undefined {
  if (payload.length < 14 || payload.readUIntBE(0, 3) !== 1 || (payload[3]! & 0xf0) !== 0xe0) return undefined
  if ((payload[7]! & 0x80) === 0) return undefined
  return readTicks(payload, 9)
}

export class TsFeed {
  readonly #cache: PictureCache
  #rest: Buffer = Buffer.alloc(0)
  #tables: Buffer[] = []
  #pending: Pending | undefined
  #time = new Unwrapper(2 ** 33)
  #sink: PictureSink | undefined
  #head: Buffer[] = []

  constructor(maxCacheBytes?: number) {
    this.#cache = new PictureCache(maxCacheBytes)
  }

  /** Times of the pictures that begin in this chunk, ms. Throws EDGE_TS_MALFORMED when packets are out of step. */
  push(chunk: Buffer): number[] {
    const buffer = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    const times: number[] = []
    let at = 0
    for (; at + PACKET_BYTES <= buffer.length; at += PACKET_BYTES) {
      const ptsMs = this.#readPacket(buffer.subarray(at, at + PACKET_BYTES))
      if (ptsMs !== undefined) times.push(ptsMs)
    }
    this.#rest = buffer.subarray(at)
    return times
  }

  /**
   * What is needed to decode the picture shown at `ptsMs`; `undefined` when it is not held any more, or is the newest
   * one, which is known to be whole only when the next begins.
   */
  clipUpTo(ptsMs: number): CompressedClip | undefined {
    const units = this.#cache.upTo(ptsMs)
    if (!units) return undefined
    return { container: 'mpegts', chunks: units.map((unit) => unit.bytes), ptsMs: units.at(-1)!.ptsMs }
  }

  /** What has come since the newest key frame, with it, as far as it is whole. */
  get current(): readonly CompressedUnit[] {
    return this.#cache.current
  }

  /** Every picture from now on goes to the sink, too, when it is whole. */
  record(sink: PictureSink): void {
    this.#sink = sink
  }

  reset(): void {
    this.#sink?.end()
    // Tables stand in front of every picture: a file needs nothing before them.
    this.#head = []
    this.#cache.clear()
    this.#rest = Buffer.alloc(0)
    this.#tables = []
    this.#pending = undefined
    this.#time = new Unwrapper(2 ** 33)
  }

  #readPacket(packet: Buffer): number | undefined {
    if (packet[0] !== 0x47) {
      throw new EdgeError('EDGE_TS_MALFORMED', `not MPEG-TS: byte ${packet[0]} instead of 71 begins a packet`)
    }
    const header = packet.readUInt16BE(1)
    const pid = header & 0x1fff
    const startsUnit = (header & 0x4000) !== 0
    const hasAdaptation = (packet[3]! & 0x20) !== 0
    const payload = packet.subarray(hasAdaptation ? Math.min(5 + packet[4]!, PACKET_BYTES) : 4)
    const ticks = startsUnit ? readPts(payload) : undefined
    if (ticks === undefined) {
      // Program tables come directly before the picture that they belong to.
      if (startsUnit) this.#addTable(pid, packet)
      else this.#pending?.packets.push(packet)
      return undefined
    }
    this.#finishPending()
    const ptsMs = Math.round(this.#time.next(ticks) / TICKS_PER_MS)
    const isKeyFrame = hasAdaptation && packet[4]! > 0 && (packet[5]! & 0x40) !== 0
    this.#pending = { ptsMs, isKeyFrame, packets: [...this.#tables, packet] }
    this.#tables = []
    return ptsMs
  }

  #addTable(pid: number, packet: Buffer): void {
    if (pid === PAT_PID) this.#tables = []
    if (this.#tables.length < 8) this.#tables.push(packet)
  }

  #finishPending(): void {
    if (!this.#pending) return
    const { ptsMs, isKeyFrame, packets } = this.#pending
    const unit = { ptsMs, isKeyFrame, bytes: Buffer.concat(packets) }
    this.#cache.push(unit)
    this.#sink?.take(unit, 'mpegts', this.#head)
  }
}
