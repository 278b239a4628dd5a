import type { NormBox, NormPoint } from '@patrolhub/protocol'
import fc from 'fast-check'
import { Value } from 'typebox/value'
import { describe, expect, it } from 'vitest'
import { RuleConfig, type TrackRuleConfig } from '../config/rules.ts'
import type { Track } from '../track/track.ts'
import type { Finding } from './rule.ts'
import { makeTrackRule } from './track-rules.ts'

const STEP_MS = 200
const ASPECT = 16 / 9
const WHOLE: NormPoint[] = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
]

/** A configuration with every default, as the file gives it. */
function rule(settings: Record<string, unknown>): TrackRuleConfig {
  const filled = Value.Default(RuleConfig, { name: 'Yard', severity: 'major', ...settings })
  if (!Value.Check(RuleConfig, filled) || !('classes' in filled) || filled.kind === 'unusual')
    throw new Error('not a rule over tracks')
  return filled
}

/** Walks objects along their ways and keeps tracks of them as the tracker does. */
class Walk {
  readonly #tracks = new Map<number, Track>()
  atMs = 1000

  /** Moves each object to its next foot point; those that are not named are not seen. */
  step(feet: Feet, { className = 'person', height = 0.2, width = 0.05, isRider = false } = {}): Track[] {
    this.atMs += STEP_MS
    return Object.entries(feet).flatMap(([id, at]) => {
      if (!at) return []
      const trackId = Number(id)
      const [x, y] = at
      const boxNorm: NormBox = [x - width / 2, y - height, x + width / 2, y]
      const known = this.#tracks.get(trackId)
      const track: Track = {
        trackId,
        className,
        score: 0.8,
        boxNorm,
        firstSeenAtMs: known?.firstSeenAtMs ?? this.atMs,
        lastSeenAtMs: this.atMs,
        path: [...(known?.path ?? []), at].slice(-200),
        pathHeights: [...(known?.pathHeights ?? []), height].slice(-200),
        // A track is reported from its second frame on.
        isNew: known?.path.length === 1,
        isRider,
        pathAtMs: [...(known?.pathAtMs ?? []), this.atMs].slice(-200),
      }
      this.#tracks.set(trackId, track)
      return track
    })
  }
}

type Feet = Readonly<Record<number, NormPoint | undefined>>
type Way = (frame: number) => Feet

/** Findings of a rule over `frames` frames, with the frame of each; nothing cools down unless `mayAlert` says so. */
function play(
  config: TrackRuleConfig,
  frames: number,
  way: Way,
  look: {
    className?: string
    height?: number
    width?: number
    isRider?: boolean
    mayAlert?: (frame: number) => boolean
  } = {},
): (Finding & { frame: number })[] {
  const judged = makeTrackRule(config, '“Yard” of East gate')
  const walk = new Walk()
  const found: (Finding & { frame: number })[] = []
  for (let frame = 0; frame < frames; frame += 1) {
    const tracks = walk.step(way(frame), look)
    const reported = tracks.filter(({ path }) => path.length > 1)
    const scene = { tracks: reported, atMs: walk.atMs, aspect: ASPECT }
    const finding = judged.observe(scene, look.mayAlert?.(frame) ?? true)
    if (finding) found.push({ ...finding, frame })
  }
  return found
}

describe('line crossing', () => {
  const line = [
    [0.5, 0.9],
    [0.5, 0.1],
  ]
  const toRight: Way = (frame) => ({ 1: [0.3 + frame * 0.02, 0.5] })
  const toLeft: Way = (frame) => ({ 1: [0.7 - frame * 0.02, 0.5] })

  it('is told of once, with the side that the object went to', () => {
    // From the lower to the upper end: the right hand points to the right of the picture.
    const right = play(rule({ kind: 'line-crossing', line }), 20, toRight)
    expect(right.map(({ facts }) => facts.direction)).toEqual(['right'])
    expect(right[0]!.reason).toBe('A person crossed “Yard” of East gate to the right (detector 80 % sure).')
    expect(play(rule({ kind: 'line-crossing', line }), 20, toLeft)).toMatchObject([
      { facts: { direction: 'left' } },
    ])
  })

  it('counts in the direction that was asked for only', () => {
    expect(play(rule({ kind: 'line-crossing', line, direction: 'to-left' }), 20, toRight)).toEqual([])
    expect(play(rule({ kind: 'line-crossing', line, direction: 'to-left' }), 20, toLeft)).toHaveLength(1)
  })

  it('does not happen beyond the ends of the line, nor by trembling on it', () => {
    const beside: Way = (frame) => ({ 1: [0.3 + frame * 0.02, 0.95] })
    expect(play(rule({ kind: 'line-crossing', line }), 20, beside)).toEqual([])
    const trembling: Way = (frame) => ({ 1: [0.5 + (frame % 2 ? 0.01 : -0.01), 0.5] })
    expect(play(rule({ kind: 'line-crossing', line }), 50, trembling)).toEqual([])
  })

  it('is seen of one who was nearly on the line when the track was first reported', () => {
    const near: Way = (frame) => ({ 1: [0.515 - frame * 0.01, 0.5] })
    const found = play(rule({ kind: 'line-crossing', line }), 8, near)
    expect(found.map(({ facts }) => facts.direction)).toEqual(['left'])
  })

  it('says how many have crossed since the last alert', () => {
    const two: Way = (frame) => ({
      1: [0.3 + frame * 0.02, 0.5],
      2: [0.3 + Math.max(0, frame - 10) * 0.02, 0.6],
      3: [0.3 + Math.max(0, frame - 20) * 0.02, 0.7],
    })
    const found = play(rule({ kind: 'line-crossing', line }), 45, two, {
      mayAlert: (frame) => frame < 15 || frame > 25,
    })
    expect(found.map(({ facts }) => [facts.trackId, facts.objectsSinceLastAlert])).toEqual([
      [1, 1],
      [3, 2],
    ])
  })

  it('never tells of more crossings than there were changes of side', () => {
    const x = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(fc.array(x, { minLength: 2, maxLength: 60 }), (places) => {
        const found = play(rule({ kind: 'line-crossing', line }), places.length, (frame) => ({
          1: [places[frame]!, 0.5],
        }))
        const changes = places.filter((at, index) => index > 0 && at > 0.5 !== places[index - 1]! > 0.5)
        expect(found.length).toBeLessThanOrEqual(changes.length)
        for (const [index, { facts }] of found.entries()) {
          if (index > 0) expect(facts.direction).not.toBe(found[index - 1]!.facts.direction)
        }
      }),
    )
  })
})

describe('loitering', () => {
  const config = rule({ kind: 'loitering', zone: WHOLE, minSeconds: 10 })

  it('is told of when somebody has stayed for that long, also when the tracker took them for another one', () => {
    const way: Way = (frame) => {
      const at: NormPoint = [0.5 + 0.01 * Math.sin(frame), 0.5]
      return frame < 25 ? { 1: at } : frame < 30 ? {} : { 2: at }
    }
    const found = play(config, 60, way)
    expect(found.map(({ frame }) => frame)).toEqual([50])
    expect(found[0]!.facts.secondsInZone).toBe(10)
  })

  it('does not add up the stays of people at different places', () => {
    const way: Way = (frame) => (frame < 30 ? { 1: [0.2, 0.5] } : { 2: [0.7, 0.5] })
    expect(play(config, 60, way)).toEqual([])
  })
})

describe('crowding', () => {
  const config = rule({ kind: 'crowding', zone: WHOLE, minCount: 3, minSeconds: 2 })
  const people = (count: number): Record<number, NormPoint> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [index + 1, [0.1 + index * 0.1, 0.5]]))

  it('is told of once when enough have stayed, although the detector loses one now and then', () => {
    const found = play(config, 60, (frame) => people(frame % 4 === 0 ? 2 : 4))
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ facts: { count: 4, minCount: 3 }, subjects: { length: 4 } })
  })

  it('begins anew when they were fewer for long', () => {
    const found = play(config, 80, (frame) => people(frame < 30 || frame > 45 ? 3 : 1))
    expect(found).toHaveLength(2)
    expect(play(config, 80, () => people(2))).toEqual([])
  })
})

describe('wrong way', () => {
  const settings = {
    kind: 'wrong-way',
    zone: WHOLE,
    allowed: [
      [0.1, 0.5],
      [0.9, 0.5],
    ],
  }
  const car = { className: 'car', height: 0.1, width: 0.1 }
  const drive =
    (dx: number, dy = 0): Way =>
    (frame) => ({ 1: [0.5 + dx * (frame - 15), 0.5 + dy * (frame - 15)] })

  it('is told of for one that drives against the allowed direction, once', () => {
    const found = play(rule(settings), 30, drive(-0.02), car)
    expect(found).toHaveLength(1)
    expect(found[0]!.reason).toContain('against the allowed direction of “Yard”')
  })

  it('is nothing that drives along, crosses or trembles', () => {
    expect(play(rule(settings), 30, drive(0.02), car)).toEqual([])
    expect(play(rule(settings), 30, drive(0, 0.02), car)).toEqual([])
    const trembling: Way = (frame) => ({ 1: [0.5 + (frame % 3) * 0.003, 0.5] })
    expect(play(rule(settings), 60, trembling, car)).toEqual([])
    expect(play(rule(settings), 30, drive(-0.02), { ...car, className: 'person' })).toEqual([])
  })

  it('depends on the angle to the allowed direction alone', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2 * Math.PI, noNaN: true }), (angle) => {
        // Off the limit of 120°, where rounding decides.
        fc.pre(Math.abs(Math.cos(angle) + 0.5) > 0.02)
        const found = play(
          rule(settings),
          20,
          drive((0.02 * Math.cos(angle)) / ASPECT, 0.02 * Math.sin(angle)),
          car,
        )
        expect(found.length).toBe(Math.cos(angle) < -0.5 ? 1 : 0)
      }),
    )
  })
})

describe('stopped vehicle', () => {
  const config = rule({ kind: 'stopped-vehicle', zone: WHOLE, minSeconds: 5 })
  const car = { className: 'car', height: 0.1, width: 0.1 }

  it('is told of once after it has stood, and again when it stops at another place', () => {
    const way: Way = (frame) => ({
      1: [frame < 10 ? 0.1 + frame * 0.03 : frame < 60 ? 0.4 : Math.min(0.8, 0.4 + (frame - 60) * 0.03), 0.5],
    })
    const found = play(config, 120, way, car)
    expect(found).toHaveLength(2)
    expect(found[0]!.facts.secondsInZone).toBe(5)
  })

  it('is not one that is driving, however slowly', () => {
    expect(play(config, 150, (frame) => ({ 1: [0.1 + frame * 0.005, 0.5] }), car)).toEqual([])
  })

  it('is not one vehicle after the other that is first seen at the same place', () => {
    const way: Way = (frame) => ({ [Math.floor(frame / 2)]: [0.5 + 0.012 * (frame % 2), 0.5] })
    expect(play(config, 80, way, car)).toEqual([])
  })

  it('is still the same one after others have hidden it', () => {
    const way: Way = (frame) => (frame < 15 ? { 1: [0.5, 0.5] } : frame < 20 ? {} : { 2: [0.5, 0.5] })
    const found = play(config, 40, way, car)
    expect(found.map(({ frame }) => frame)).toEqual([25])
  })
})

describe('running', () => {
  const config = rule({ kind: 'running', zone: WHOLE })
  /** Speed in heights of the person (0.2) a second. */
  const at =
    (speed: number): Way =>
    (frame) => ({ 1: [0.05 + (frame * speed * 0.2 * STEP_MS) / 1000 / ASPECT, 0.5] })

  it('is told of from its speed on, once', () => {
    expect(play(config, 15, at(2.2))).toHaveLength(1)
    expect(play(config, 30, at(0.9))).toEqual([])
  })

  it('is not what a cyclist does', () => {
    expect(play(config, 15, at(2.2), { isRider: true })).toEqual([])
  })

  it('is measured by the height that the box usually has, not by one that is half hidden', () => {
    const judged = makeTrackRule(config, '“Yard” of East gate')
    const walk = new Walk()
    const found = Array.from({ length: 15 }, (_, frame) => {
      const tracks = walk.step(at(1.2)(frame), { height: frame % 4 === 3 ? 0.1 : 0.2 })
      return judged.observe({ tracks, atMs: walk.atMs, aspect: ASPECT }, true)
    })
    expect(found.filter((each) => each !== undefined)).toEqual([])
  })

  it('is no jump of a box whose feet were hidden', () => {
    const jump: Way = (frame) => ({ 1: [0.5, frame < 10 ? 0.3 : 0.8] })
    expect(play(config, 30, jump)).toEqual([])
  })
})

describe('sudden scatter', () => {
  const config = rule({ kind: 'scatter', zone: WHOLE, minCount: 4 })
  const around = (move: (index: number, frame: number) => [number, number]): Way => {
    return (frame) =>
      Object.fromEntries(
        Array.from({ length: 6 }, (_, index) => {
          const angle = (index * Math.PI) / 3
          const [radius, shift] = move(index, frame)
          return [
            index + 1,
            [0.5 + shift + (radius * Math.cos(angle)) / ASPECT, 0.5 + radius * Math.sin(angle)],
          ]
        }),
      )
  }

  it('is told of once when people who stood together run apart', () => {
    const found = play(
      config,
      40,
      around((_, frame) => [frame < 20 ? 0.05 : 0.05 + (frame - 20) * 0.06, 0]),
      {
        height: 0.15,
      },
    )
    expect(found).toHaveLength(1)
    expect(found[0]!.facts.count).toBeGreaterThanOrEqual(4)
  })

  it('is no group that runs in one direction, or that comes together', () => {
    expect(
      play(
        config,
        15,
        around((_, frame) => [0.1, frame * 0.025]),
        { height: 0.15 },
      ),
    ).toEqual([])
    const together = around((_, frame) => [Math.max(0.02, 0.4 - frame * 0.04), 0])
    expect(play(config, 12, together, { height: 0.15 })).toEqual([])
  })
})

describe('every rule', () => {
  const configs = [
    rule({ kind: 'intrusion', zone: WHOLE }),
    rule({ kind: 'loitering', zone: WHOLE, minSeconds: 5 }),
    rule({ kind: 'crowding', zone: WHOLE, minCount: 2, minSeconds: 0 }),
    rule({
      kind: 'line-crossing',
      line: [
        [0.5, 0],
        [0.5, 1],
      ],
    }),
    rule({
      kind: 'wrong-way',
      zone: WHOLE,
      allowed: [
        [0, 0],
        [1, 0],
      ],
      classes: ['person'],
    }),
    rule({ kind: 'stopped-vehicle', zone: WHOLE, minSeconds: 2, classes: ['person'] }),
    rule({ kind: 'running', zone: WHOLE, minSpeed: 0.3, minSeconds: 0.6 }),
    rule({ kind: 'scatter', zone: WHOLE, minCount: 3, minSpeed: 0.3 }),
  ]
  const place = fc.option(
    fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0.2, max: 1, noNaN: true })),
  )

  it('names only objects that are in the picture, with a score and a sentence, and is silent during its cool-down', () => {
    fc.assert(
      fc.property(fc.array(fc.array(place, { minLength: 4, maxLength: 4 }), { maxLength: 60 }), (frames) => {
        for (const config of configs) {
          const way: Way = (frame) =>
            Object.fromEntries(frames[frame]!.flatMap((at, index) => (at ? [[index, at as NormPoint]] : [])))
          const found = play(config, frames.length, way)
          for (const { subjects, score, reason, facts, frame } of found) {
            expect(score).toBeGreaterThan(0)
            expect(reason).toContain('“Yard” of East gate')
            expect(reason.length).toBeLessThanOrEqual(400)
            expect(Object.values(facts).every((value) => value !== undefined && !Number.isNaN(value))).toBe(
              true,
            )
            const seen = Object.keys(way(frame)).map(Number)
            expect(subjects.length).toBeGreaterThan(0)
            for (const { trackId } of subjects) expect(seen).toContain(trackId)
          }
          expect(play(config, frames.length, way, { mayAlert: () => false })).toEqual([])
        }
      }),
      { numRuns: 40 },
    )
  })
})
