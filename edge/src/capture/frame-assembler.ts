/**
 * Raw pixels in, frames out. ffmpeg tells the time and size of each frame on standard error, in the same order as
 * the pixels on standard output; whichever comes first waits for the other. Never holds ffmpeg up: every chunk is
 * taken at once.
 */
import { Writable } from 'node:stream'
import { EdgeError } from '../errors.ts'

/** What one line of `showinfo` says of a frame. */
export interface FrameInfo {
  /** Stream clock, ms. */
  streamMs: number
  pictureWidthPx: number
  pictureHeightPx: number
}

export interface RawFrame extends FrameInfo {
  data: Uint8Array
}

/** More than this many halves without their partner means that the two streams have lost each other. */
const MAX_UNPAIRED = 16

/** Reads the lines of ffmpeg's `showinfo` filter; one instance a run. */
export class FrameInfoReader {
  #msPerTick = 0

  /** The info of a frame line; `undefined` for any other line. */
  read(line: string): FrameInfo | undefined {
    if (!line.includes('showinfo')) return undefined
    const base = /config in time_base: (\d+)\/(\d+)/.exec(line)
    if (base) {
      this.#msPerTick = (1000 * Number(base[1])) / Number(base[2])
      return undefined
    }
    const frame = / pts: *(-?\d+) .* s:(\d+)x(\d+) /.exec(line)
    if (!frame) return undefined
    return {
      streamMs: Math.round(Number(frame[1]) * this.#msPerTick),
      pictureWidthPx: Number(frame[2]),
      pictureHeightPx: Number(frame[3]),
    }
  }
}

export class FrameAssembler extends Writable {
  readonly #frameBytes: number
  readonly #onFrame: (frame: RawFrame) => void
  readonly #pixels: Uint8Array[] = []
  readonly #infos: FrameInfo[] = []
  #current: Uint8Array
  #filled = 0

  constructor(frameBytes: number, onFrame: (frame: RawFrame) => void) {
    // Buffering ahead would only make a frame older.
    super({ highWaterMark: 1, decodeStrings: false })
    this.#frameBytes = frameBytes
    this.#onFrame = onFrame
    this.#current = new Uint8Array(frameBytes)
  }

  /** Says what the next frame is. Throws EDGE_FRAME_ORDER when pixels stay away for many frames. */
  announce(info: FrameInfo): void {
    this.#infos.push(info)
    this.#pair()
    if (this.#infos.length > MAX_UNPAIRED) throw lostEachOther('times', this.#infos.length)
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    let at = 0
    while (at < chunk.length) {
      const take = Math.min(chunk.length - at, this.#frameBytes - this.#filled)
      this.#current.set(chunk.subarray(at, at + take), this.#filled)
      this.#filled += take
      at += take
      if (this.#filled < this.#frameBytes) break
      this.#pixels.push(this.#current)
      // The frame belongs to whoever gets it, so the next one needs memory of its own.
      this.#current = new Uint8Array(this.#frameBytes)
      this.#filled = 0
      this.#pair()
    }
    const waiting = this.#pixels.length
    done(waiting > MAX_UNPAIRED ? lostEachOther('pictures', waiting) : undefined)
  }

  #pair(): void {
    while (this.#pixels.length > 0 && this.#infos.length > 0) {
      this.#onFrame({ ...this.#infos.shift()!, data: this.#pixels.shift()! })
    }
  }
}

function lostEachOther(what: string, count: number): EdgeError {
  return new EdgeError('EDGE_FRAME_ORDER', `${count} frame ${what} came without their other half`)
}
