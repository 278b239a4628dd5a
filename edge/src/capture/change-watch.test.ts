import { describe, expect, it } from 'vitest'
import { seeded } from '../../test/support/seeded.ts'
import { ChangeWatch, type WatchedPicture } from './change-watch.ts'

const WIDTH = 416
const HEIGHT = 234

const random = seeded(1)

interface Scene {
  /** Added everywhere. */
  light?: number
  /** A box that is darker than the ground by so many grey values. */
  box?: { x: number; y: number; width: number; height: number; contrast: number }
  /** Grey values up to which each pixel is wrong. */
  noise?: number
}

function picture(streamMs: number, { light = 0, box, noise = 6 }: Scene): WatchedPicture {
  const data = new Uint8Array(WIDTH * 256 * 3)
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      const isBox = box && x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height
      const value =
        110 + 20 * Math.sin(x / 9) + light - (isBox ? box.contrast : 0) + noise * (2 * random() - 1)
      data.fill(Math.round(value), (y * WIDTH + x) * 3, (y * WIDTH + x) * 3 + 3)
    }
  }
  return { pictureWidthPx: WIDTH, pictureHeightPx: HEIGHT, data, streamMs }
}

function settled(everyMs: number): { watch: ChangeWatch; atMs: number } {
  const watch = new ChangeWatch()
  let atMs = 0
  for (; atMs < 10 * everyMs; atMs += everyMs) watch.isChange(picture(atMs, {}), WIDTH)
  return { watch, atMs }
}

describe('ChangeWatch', () => {
  it('sees nothing in noise, nor in a cloud that darkens everything', () => {
    const { watch, atMs } = settled(2000)
    const seen = [0, -2, -5, -10, -20, -25, -25].map((light, index) =>
      watch.isChange(picture(atMs + index * 2000, { light }), WIDTH),
    )
    expect(seen).toEqual(seen.map(() => false))
  })

  it('sees a person of 5 % of the height, and a large one in dull clothes', () => {
    const small = settled(2000)
    const far = { x: 200, y: 100, width: 5, height: 12, contrast: 50 }
    expect(small.watch.isChange(picture(small.atMs, { box: far }), WIDTH)).toBe(true)
    const large = settled(2000)
    const dull = { x: 50, y: 60, width: 40, height: 120, contrast: 14 }
    expect(large.watch.isChange(picture(large.atMs, { box: dull }), WIDTH)).toBe(true)
  })

  it('sees somebody who moves by a tenth of their width between two key frames', () => {
    const { watch, atMs } = settled(2000)
    const seen = [0, 1, 2, 3, 4, 5, 6, 7].map((step) => {
      const box = { x: 100 + 4 * step, y: 60, width: 40, height: 120, contrast: 60 }
      return watch.isChange(picture(atMs + 2000 * step, { box }), WIDTH)
    })
    expect(seen).toEqual(seen.map(() => true))
  })

  it('takes what has stopped for part of the scene within ten seconds, and sees it leave', () => {
    const { watch, atMs } = settled(200)
    const box = { x: 50, y: 60, width: 80, height: 60, contrast: 70 }
    const seen = Array.from({ length: 60 }, (_, index) =>
      watch.isChange(picture(atMs + 200 * index, { box }), WIDTH),
    )
    expect(seen[0]).toBe(true)
    expect(seen.slice(50)).toEqual(seen.slice(50).map(() => false))
    expect(watch.isChange(picture(atMs + 12_000, {}), WIDTH)).toBe(true)
  })
})
