import type { NormBox } from '@patrolhub/protocol'
import { describe, expect, it } from 'vitest'
import { seeded } from '../../test/support/seeded.ts'
import { type StaticObject, StaticObjects } from './static-objects.ts'

const WIDTH = 100
const HEIGHT = 64
const FPS = 5
const MIN_MS = 10_000

type Paint = (x: number, y: number, second: number) => number | undefined

/** Paving with joints, a wall with windows: flat parts and strong edges. Fractions of a cell lie between cells. */
function place(x: number, y: number): number {
  const floor = Math.floor(x)
  const part = x - floor
  const at = (column: number) => {
    if (y < 20) return column % 12 < 6 && y > 6 && y < 14 ? 50 : 170
    return column % 20 === 0 || y % 22 === 0 ? 80 : 130
  }
  return at(floor) * (1 - part) + at(floor + 1) * part
}

interface Scene {
  /** What stands before the place; none by default. */
  thing?: Paint
  /** A factor. */
  light?: (second: number) => number
  /** Grey values more. */
  exposure?: (second: number) => number
  /** By how many cells the camera has turned to the right. */
  turn?: (second: number) => number
  tracked?: (second: number) => NormBox[]
}

/** Objects that stood there for `MIN_MS` at some time, as they were then. */
function watch({
  thing,
  light = () => 1,
  exposure = () => 0,
  turn = () => 0,
  tracked = () => [],
}: Scene): StaticObject[] {
  const random = seeded(1)
  const objects = new StaticObjects(600_000)
  const told = new Map<number, StaticObject>()
  for (let frame = 0; frame < 60 * FPS; frame++) {
    const second = frame / FPS
    const data = new Float32Array(WIDTH * HEIGHT)
    for (let y = 0; y < HEIGHT; y++)
      for (let x = 0; x < WIDTH; x++) {
        const seen = thing?.(x, y, second) ?? place(x + turn(second), y)
        // The noise of a sensor is ±5.
        data[y * WIDTH + x] = Math.min(255, seen * light(second) + exposure(second)) + 10 * random() - 5
      }
    const atMs = 1_000_000 + second * 1000
    for (const object of objects.observe({ width: WIDTH, height: HEIGHT, data }, tracked(second), atMs))
      if (atMs - object.sinceMs >= MIN_MS && !told.has(object.id)) told.set(object.id, { ...object })
  }
  return [...told.values()]
}

const inBox = (x: number, y: number, left: number, top: number, width: number, height: number) =>
  x >= left && x < left + width && y >= top && y < top + height
const bag =
  (isThere: (second: number) => boolean): Paint =>
  (x, y, second) =>
    isThere(second) && inBox(x, y, 44, 40, 6, 5) ? 60 : undefined
/** It lies across a joint of the paving that is about as dark. */
const bagOnJoint =
  (grey: number): Paint =>
  (x, y, second) =>
    second > 20 && inBox(x, y, 41, 19, 8, 6) ? grey : undefined
const kinds = (scene: Scene) => watch(scene).map(({ kind }) => kind)

describe('static objects', () => {
  it('are what is left and what is taken, also in changing light', () => {
    const dusk = (second: number) => 1.2 - second / 100
    expect(kinds({ thing: bag((second) => second > 20) })).toEqual(['left'])
    expect(kinds({ thing: bag((second) => second < 20) })).toEqual(['removed'])
    expect(kinds({ thing: bag((second) => second > 20), light: dusk })).toEqual(['left'])
    expect(kinds({ light: dusk })).toEqual([])
    expect(kinds({ light: (second) => (second > 30 ? 1.3 : 1) })).toEqual([])
  })

  it('are told from the camera’s own exposure, which changes dark and bright alike', () => {
    const exposure = (second: number) => (second > 26 && second < 45 ? 45 : 0)
    expect(kinds({ exposure })).toEqual([])
    expect(kinds({ exposure, thing: bag((second) => second > 20) })).toEqual(['left'])
  })

  it('are what is left across the edge of something else', () => {
    for (const grey of [60, 90, 100])
      expect(kinds({ thing: bagOnJoint(grey) }), `grey ${grey}`).toEqual(['left'])
  })

  it('are three that were left across edges, one after the other', () => {
    const bags: Paint = (x, y, second) => {
      const isBag = [41, 61, 81].some((left, index) => second > 14 + 6 * index && inBox(x, y, left, 20, 8, 5))
      return isBag ? 53 : undefined
    }
    expect(kinds({ thing: bags })).toEqual(['left', 'left', 'left'])
  })

  it('are none when the camera sways or drifts by a cell', () => {
    expect(kinds({ turn: (second) => Math.sin(second / 3) * 0.7 })).toEqual([])
    expect(kinds({ turn: (second) => second / 20 })).toEqual([])
    const drifting = { turn: (second: number) => second / 60, thing: bag((second) => second > 20) }
    expect(kinds(drifting)).toEqual(['left'])
  })

  it('are not who walked there while the place was learned', () => {
    const walker: Paint = (x, y, second) => {
      const isThere = second < 4
      return isThere && inBox(x, y, Math.floor(30 + 4 * second), 30, 5, 14) ? 40 : undefined
    }
    expect(kinds({ thing: walker })).toEqual([])
  })

  it('are not who stands there, although the detector misses them half of the time', () => {
    const stands: Paint = (x, y, second) => (second > 10 && inBox(x, y, 60, 30, 6, 16) ? 40 : undefined)
    const box: NormBox = [0.59, 0.46, 0.67, 0.73]
    const missed = (second: number) => (second > 10 && second % 8 < 4 ? [box] : [])
    expect(kinds({ thing: stands, tracked: missed })).toEqual([])
    expect(kinds({ thing: stands })).toEqual(['left'])
  })
})
