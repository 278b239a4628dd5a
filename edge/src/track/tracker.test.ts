import type { NormBox } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Detection } from '../detect/detection.ts'
import { assign } from './assignment.ts'
import { iou, Tracker } from './tracker.ts'

const STEP_MS = 200

function at(x: number, y: number, score = 0.8, className = 'person'): Detection {
  return { className, score, boxNorm: [x, y, x + 0.05, y + 0.2] }
}

const unit = fc.double({ min: 0, max: 1, noNaN: true })
const detection: fc.Arbitrary<Detection> = fc.record({
  className: fc.constantFrom('person', 'car', 'truck', 'dog'),
  score: unit,
  boxNorm: fc
    .tuple(unit, unit, unit, unit)
    .map(([a, b, c, d]): NormBox => [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)]),
})

describe('Tracker', () => {
  it('reports an object from its second frame on, under one number, with its path', () => {
    const tracker = new Tracker()
    expect(tracker.update([at(0.1, 0.3)], 1000)).toEqual([])
    const ids = new Set<number>()
    for (let frame = 1; frame <= 20; frame += 1) {
      const [track, ...others] = tracker.update([at(0.1 + frame * 0.02, 0.3)], 1000 + frame * STEP_MS)
      ids.add(track!.trackId)
      expect(others).toEqual([])
      expect(track!.firstSeenAtMs).toBe(1000)
      expect(track!.path).toHaveLength(frame + 1)
    }
    expect(ids.size).toBe(1)
  })

  it('gives the detected box, not a smoothed one', () => {
    const tracker = new Tracker()
    tracker.update([at(0.1, 0.3)], 0)
    const [track] = tracker.update([at(0.13, 0.31)], STEP_MS)
    expect(track!.boxNorm).toEqual([0.13, 0.31, 0.13 + 0.05, 0.31 + 0.2])
    expect(track!.path.at(-1)).toEqual([0.13 + 0.025, 0.31 + 0.2])
  })

  it('keeps a half hidden object alive by its low score (second stage)', () => {
    const scores = [0.8, 0.8, 0.8, 0.2, 0.15, 0.2, 0.8]
    const tracker = new Tracker()
    const ids = scores.map(
      (score, frame) => tracker.update([at(0.3, 0.3, score)], frame * STEP_MS)[0]?.trackId,
    )
    expect(new Set(ids.slice(1)).size).toBe(1)
    const blind = new Tracker()
    expect([0, 1, 2].flatMap((frame) => blind.update([at(0.3, 0.3, 0.2)], frame * STEP_MS))).toEqual([])
  })

  it('begins with weak detections where something moves that nothing else explains', () => {
    const walk = (score: number, isMoving: boolean, step = 0.02, other: Detection[] = []) => {
      const tracker = new Tracker()
      return [0, 1, 2, 3, 4].map((frame) => {
        const detections = [at(0.1 + frame * step, 0.3, score), ...other]
        return tracker.update(detections, frame * STEP_MS, () => isMoving).length
      })
    }
    expect(walk(0.2, true)).toEqual([0, 0, 1, 1, 1])
    expect(walk(0.2, false)).toEqual([0, 0, 0, 0, 0])
    // Its box changes because somebody passes before it, but it stays where it is.
    expect(walk(0.2, true, 0.001)).toEqual([0, 0, 0, 0, 0])
    expect(walk(0.05, true)).toEqual([0, 0, 0, 0, 0])
    // The weak box is the upper half of somebody who is found for sure.
    const whole: Detection = { className: 'person', score: 0.8, boxNorm: [0.05, 0.28, 0.3, 0.9] }
    expect(walk(0.2, true, 0.02, [whole])).toEqual([0, 1, 1, 1, 1])
  })

  it('knows who rides from a bicycle under them, however unsure, but not who passes a parked one', () => {
    const bicycle = (x: number): Detection => ({
      className: 'bicycle',
      score: 0.15,
      boxNorm: [x - 0.02, 0.42, x + 0.07, 0.55],
    })
    const isRider = (bicycleAt: (frame: number) => number) => {
      const tracker = new Tracker()
      const frames = Array.from({ length: 20 }, (_, frame) =>
        tracker.update([at(0.1 + frame * 0.03, 0.3), bicycle(bicycleAt(frame))], frame * STEP_MS),
      )
      return frames.at(-1)!.some((track) => track.isRider)
    }
    expect(isRider((frame) => 0.1 + frame * 0.03)).toBe(true)
    expect(isRider(() => 0.2)).toBe(false)
  })

  it('says of a track once that it is new', () => {
    const tracker = new Tracker()
    const isNew = [0, 1, 2, 3].flatMap((frame) =>
      tracker.update([at(0.1, 0.3)], frame * STEP_MS).map((track) => track.isNew),
    )
    expect(isNew).toEqual([true, false, false])
  })

  it('finds a walking object again where it must be after it was not seen for 0.8 s', () => {
    const tracker = new Tracker()
    let before = -1
    for (let frame = 0; frame < 8; frame += 1) {
      before = tracker.update([at(0.1 + frame * 0.015, 0.3)], frame * STEP_MS)[0]?.trackId ?? before
    }
    for (let frame = 8; frame < 12; frame += 1) expect(tracker.update([], frame * STEP_MS)).toEqual([])
    expect(tracker.update([at(0.1 + 12 * 0.015, 0.3)], 12 * STEP_MS)[0]?.trackId).toBe(before)
  })

  it('gives up an object that stays away', () => {
    const tracker = new Tracker({ maxLostMs: 1000 })
    tracker.update([at(0.3, 0.3)], 0)
    const first = tracker.update([at(0.3, 0.3)], 200)[0]!.trackId
    tracker.update([], 1300)
    tracker.update([at(0.3, 0.3)], 1500)
    expect(tracker.update([at(0.3, 0.3)], 1700)[0]!.trackId).not.toBe(first)
  })

  it('keeps two people apart who walk past each other', () => {
    const tracker = new Tracker()
    const left = new Set<number>()
    const right = new Set<number>()
    for (let frame = 0; frame <= 20; frame += 1) {
      const a = at(0.2 + frame * 0.02, 0.3)
      const b = at(0.6 - frame * 0.02, 0.36)
      for (const track of tracker.update([a, b], frame * STEP_MS)) {
        if (track.boxNorm[1] === a.boxNorm[1]) left.add(track.trackId)
        else right.add(track.trackId)
      }
    }
    expect([left.size, right.size]).toEqual([1, 1])
    expect([...left][0]).not.toBe([...right][0])
  })

  it('follows a car that the detector calls a truck for a frame, but never a person as a car', () => {
    const tracker = new Tracker()
    const names = ['car', 'car', 'truck', 'car']
    const ids = names.map(
      (name, frame) => tracker.update([at(0.3, 0.3, 0.8, name)], frame * STEP_MS)[0]?.trackId,
    )
    expect(new Set(ids.slice(1)).size).toBe(1)
    expect(tracker.update([at(0.3, 0.3, 0.8, 'person')], 4 * STEP_MS)).toEqual([])
  })

  it('begins anew when the clock was set back', () => {
    const tracker = new Tracker()
    tracker.update([at(0.3, 0.3)], 5000)
    tracker.update([at(0.3, 0.3)], 5200)
    expect(tracker.update([at(0.3, 0.3)], 100)).toEqual([])
    expect(tracker.update([at(0.3, 0.3)], 300)).toHaveLength(1)
  })

  it('holds its invariants whatever it is given', () => {
    const frame = fc.record({
      gapMs: fc.integer({ min: 1, max: 5000 }),
      seen: fc.array(detection, { maxLength: 8 }),
    })
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 25 }), (frames) => {
        const tracker = new Tracker()
        const firstSeen = new Map<number, number>()
        let atMs = 0
        for (const { gapMs, seen } of frames) {
          atMs += gapMs
          const tracks = tracker.update(seen, atMs)
          expect(tracks.length).toBeLessThanOrEqual(seen.length)
          expect(new Set(tracks.map(({ trackId }) => trackId)).size).toBe(tracks.length)
          for (const track of tracks) {
            expect(track.lastSeenAtMs).toBe(atMs)
            expect(firstSeen.get(track.trackId) ?? track.firstSeenAtMs).toBe(track.firstSeenAtMs)
            firstSeen.set(track.trackId, track.firstSeenAtMs)
            expect(
              seen.some(({ boxNorm }) => boxNorm.every((value, index) => value === track.boxNorm[index])),
            ).toBe(true)
            expect(track.path.length).toBeLessThanOrEqual(200)
            for (const value of track.path.flat()) expect(value >= 0 && value <= 1).toBe(true)
          }
        }
      }),
    )
  })

  it('does not depend on the order of the detections', () => {
    const frames = fc.array(fc.array(detection, { maxLength: 6 }), { maxLength: 10 })
    const boxes = (tracker: Tracker, seen: Detection[], atMs: number): string[] =>
      tracker
        .update(seen, atMs)
        .map(({ boxNorm, firstSeenAtMs }) => JSON.stringify([boxNorm, firstSeenAtMs]))
        .sort()
    fc.assert(
      fc.property(frames, (all) => {
        const forward = new Tracker()
        const backward = new Tracker()
        all.forEach((seen, index) => {
          expect(boxes(backward, [...seen].reverse(), index * STEP_MS)).toEqual(
            boxes(forward, seen, index * STEP_MS),
          )
        })
      }),
    )
  })
})

describe('assign', () => {
  const matrix = fc.integer({ min: 1, max: 5 }).chain((columns) =>
    fc.array(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: columns, maxLength: columns }), {
      minLength: 1,
      maxLength: 5,
    }),
  )

  /** The least total over every way to give each of the fewer side one of the more numerous side. */
  function leastTotal(costs: number[][]): number {
    const columns = costs[0]!.length
    const search = (row: number, used: number, skips: number): number => {
      if (row === costs.length) return 0
      let best = skips > 0 ? search(row + 1, used, skips - 1) : Number.POSITIVE_INFINITY
      for (let column = 0; column < columns; column += 1) {
        if (used & (1 << column)) continue
        best = Math.min(best, costs[row]![column]! + search(row + 1, used | (1 << column), skips))
      }
      return best
    }
    return search(0, 0, Math.max(0, costs.length - columns))
  }

  it('costs as little as the best of all assignments', () => {
    fc.assert(
      fc.property(matrix, (costs) => {
        const columns = assign(costs)
        const used = columns.filter((column) => column >= 0)
        expect(new Set(used).size).toBe(used.length)
        expect(used.length).toBe(Math.min(costs.length, costs[0]!.length))
        const total = columns.reduce((sum, column, row) => sum + (column < 0 ? 0 : costs[row]![column]!), 0)
        expect(total).toBe(leastTotal(costs))
      }),
    )
  })

  it('has nothing to assign without rows or columns', () => {
    expect(assign([])).toEqual([])
    expect(assign([[], []])).toEqual([-1, -1])
  })
})

describe('iou', () => {
  it('is 1 for equal boxes, 0 for boxes that only touch, symmetric in between', () => {
    expect(iou([0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5])).toBe(1)
    expect(iou([0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5])).toBe(0)
    expect(iou([0, 0, 2, 1], [1, 0, 3, 1])).toBeCloseTo(1 / 3)
    expect(iou([1, 0, 3, 1], [0, 0, 2, 1])).toBeCloseTo(1 / 3)
  })
})
