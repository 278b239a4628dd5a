import { describe, expect, it } from 'vitest'
import { seeded } from '../../test/support/seeded.ts'
import type { CompressedUnit } from './compressed.ts'
import { NeededDecoding } from './needed-decoding.ts'

/** 25 pictures a second. */
const PICTURE_MS = 40

/** A camera: noise of its own around a usual size, reproducible. */
class Stream {
  readonly decoded: number[] = []
  readonly needed = new NeededDecoding((unit) => this.decoded.push(unit.ptsMs))
  #next = 0
  readonly #gop: number
  /** From 0 to 1. */
  readonly chance: () => number

  constructor(gop: number, seed = 7) {
    this.#gop = gop
    this.chance = seeded(seed)
  }

  get nowMs(): number {
    return (this.#next - 1) * PICTURE_MS
  }

  /** `bytes` of a predicted picture; each is 10 % larger or smaller by chance. */
  play(seconds: number, bytes: number): void {
    for (let count = Math.round((seconds * 1000) / PICTURE_MS); count > 0; count -= 1) {
      const isKeyFrame = this.#next % this.#gop === 0
      const noise = 0.9 + 0.2 * this.chance()
      const size = Math.round((isKeyFrame ? 60_000 : bytes) * noise)
      const unit: CompressedUnit = {
        ptsMs: this.#next * PICTURE_MS,
        isKeyFrame,
        bytes: Buffer.alloc(size),
      }
      this.#next += 1
      this.needed.take(unit)
    }
  }
}

describe('NeededDecoding', () => {
  it('decodes the key frames of a quiet scene and nothing else', () => {
    const stream = new Stream(50)
    stream.play(60, 4000)
    expect(stream.decoded).toEqual(Array.from({ length: 30 }, (_, index) => index * 2000))
    expect(stream.needed.isAwake).toBe(false)
  })

  it('sees movement right after movement that no picture showed', () => {
    const stream = new Stream(50)
    stream.play(20.9, 1000)
    // Somebody comes near: large packets, but no picture shows anything within the second that is looked at.
    stream.play(1.1, 8000)
    stream.play(1.2, 1000)
    expect(stream.needed.isAwake).toBe(false)
    stream.play(0.4, 6000)
    expect(stream.needed.isAwake).toBe(true)
  })

  it('takes growing packets for movement, and catches up from the last key frame without a gap', () => {
    const stream = new Stream(50)
    stream.play(20.6, 4000)
    stream.decoded.length = 0
    const beganMs = stream.nowMs
    stream.play(0.4, 8000)
    expect(stream.needed.isAwake).toBe(true)
    expect(stream.decoded[0]).toBe(20_040)
    expect(stream.decoded).toEqual(stream.decoded.map((_, index) => 20_040 + index * PICTURE_MS))
    expect(stream.decoded.at(-1)).toBe(stream.nowMs)
    expect(stream.nowMs - beganMs).toBeLessThanOrEqual(400)
  })

  it('leaves it to a key frame that is near to show why packets have grown', () => {
    const stream = new Stream(50)
    stream.play(21.6, 4000)
    stream.decoded.length = 0
    stream.play(0.4, 8000)
    expect(stream.decoded).toEqual([])
    stream.play(0.04, 8000)
    expect(stream.decoded).toEqual([22_000])
    // It showed nothing new: whoever makes the packets grow may be too small for it.
    stream.play(0.8, 8000)
    expect(stream.decoded).toContain(22_040)
  })

  it('decodes everything for three seconds after the last change that a picture shows', () => {
    const stream = new Stream(50)
    stream.play(10.04, 4000)
    stream.needed.look(true)
    stream.decoded.length = 0
    stream.play(6, 4000)
    expect(stream.decoded.filter((ms) => ms > 10_000 && ms <= 13_000)).toHaveLength(75)
    expect(stream.decoded.filter((ms) => ms > 13_040)).toEqual([14_000, 16_000])
  })

  it('is as suspicious of a restless scene as a twentieth of the work allows', () => {
    const trials = 60
    let woken = 0
    let extra = 0
    for (let trial = 0; trial < trials; trial += 1) {
      const stream = new Stream(50, 7 + trial * 977)
      // Leaves in the wind: every 0.8 s another level, up to half more or less.
      const restless = (seconds: number, bytes: number) => {
        for (let gust = 0; gust < seconds / 0.8; gust += 1) stream.play(0.8, bytes * (0.5 + stream.chance()))
      }
      restless(60, 4000)
      const before = stream.needed.counts.decoded
      restless(240, 4000)
      extra += stream.needed.counts.decoded - before - 120
      // A calm moment of any length: the next gust must not be what wakes.
      while (stream.needed.isAwake) stream.play(0.2, 4000)
      restless(1.6, 8000)
      if (stream.needed.isAwake) woken += 1
    }
    expect(woken).toBeGreaterThanOrEqual(trials / 2)
    expect(extra / trials).toBeLessThan((240 * 25) / 20)
  })

  it('looks briefly only when packets have grown and no picture shows why, and learns from it', () => {
    const stream = new Stream(50)
    stream.play(20, 4000)
    const before = stream.needed.counts.decoded
    stream.play(120, 6000)
    const extra = stream.needed.counts.decoded - before - 60
    // Night has come: the noise stays, and is the usual thing after a few groups.
    expect(extra).toBeGreaterThan(0)
    expect(extra).toBeLessThan(0.1 * 120 * 25)
    expect(stream.needed.isAwake).toBe(false)
  })

  it('decodes everything, and says why, when key frames come too rarely to stand for the scene', () => {
    const stream = new Stream(250)
    stream.play(30, 4000)
    expect(stream.needed.isAwake).toBe(true)
    expect(stream.needed.why).toBe('key frames come only every 10 s')
    stream.decoded.length = 0
    stream.play(10, 4000)
    expect(stream.decoded).toHaveLength(250)
  })

  it('gives a decoder enough pictures to let go of a key frame when they are reordered', () => {
    const decoded: number[] = []
    const needed = new NeededDecoding((unit) => decoded.push(unit.ptsMs))
    const order = [0, 120, 40, 80, 240, 160, 200, 360, 280, 320]
    for (let group = 0; group < 10; group += 1) {
      for (const [place, ms] of order.entries()) {
        needed.take({ ptsMs: group * 400 + ms, isKeyFrame: place === 0, bytes: Buffer.alloc(1000) })
      }
    }
    expect(decoded.filter((ms) => ms >= 3600)).toEqual([3600, 3720, 3640, 3680, 3840])
  })
})
