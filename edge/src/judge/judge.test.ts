import { AlertRecord, type NormPoint, parser } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CameraConfig, IntrusionRuleConfig } from '../config.ts'
import type { Track } from '../track/track.ts'
import { Judge } from './judge.ts'
import { isInside } from './polygon.ts'

const SQUARE: NormPoint[] = [
  [0.4, 0.4],
  [0.6, 0.4],
  [0.6, 0.6],
  [0.4, 0.6],
]
const MODEL = { id: 'tiny', sha256: 'a'.repeat(64) }
const parseAlert = parser(AlertRecord)

function camera(rule: Partial<IntrusionRuleConfig> = {}): CameraConfig {
  return {
    cameraId: 'cam-01',
    name: 'East gate',
    region: '410502003',
    sensitivity: 'public',
    url: 'rtsp://camera/1',
    analysisFps: 5,
    decode: 'needed',
    detail: 1,
    masks: [],
    recording: { isOn: true, maxMegabytes: 512 },
    rules: [
      {
        kind: 'intrusion',
        name: 'Yard',
        zone: SQUARE,
        classes: ['person'],
        minSeconds: 0.5,
        cooldownSeconds: 30,
        severity: 'major',
        ...rule,
      },
    ],
  }
}

/** A track whose foot point is (x, y). */
function standing(x: number, y: number, trackId = 1, className = 'person'): Track {
  return {
    trackId,
    className,
    score: 0.82,
    boxNorm: [x - 0.02, Math.max(0, y - 0.2), x + 0.02, y],
    firstSeenAtMs: 0,
    lastSeenAtMs: 0,
    path: [[x, y]],
    pathAtMs: [0],
    pathHeights: [0.2],
    isNew: false,
    isRider: false,
  }
}

const inside = (trackId = 1) => standing(0.5, 0.5, trackId)
const outside = (trackId = 1) => standing(0.1, 0.5, trackId)

describe('Judge', () => {
  it('raises one alert when the stay reaches its minimum, and none before or after', () => {
    const judge = new Judge(camera(), MODEL)
    const times = [1000, 1200, 1499, 1500, 1700, 60_000]
    const raised = times.map((atMs) => judge.observe([inside()], atMs).length)
    expect(raised.slice(0, 5)).toEqual([0, 0, 0, 1, 0])
  })

  it('raises at once when no minimum is asked for', () => {
    expect(new Judge(camera({ minSeconds: 0 }), MODEL).observe([inside()], 0)).toHaveLength(1)
  })

  it('counts the stay from the first time the object was seen, one frame before its track is reported', () => {
    const judge = new Judge(camera(), MODEL)
    const path = (first: NormPoint): NormPoint[] => [first, [0.5, 0.5]]
    judge.observe(
      [
        {
          ...inside(1),
          firstSeenAtMs: 1000,
          path: path([0.5, 0.45]),
          pathAtMs: [1000, 1200],
          pathHeights: [0.2, 0.2],
          isNew: true,
        },
      ],
      1200,
    )
    judge.observe(
      [
        {
          ...inside(2),
          firstSeenAtMs: 1000,
          path: path([0.5, 0.3]),
          pathAtMs: [1000, 1200],
          pathHeights: [0.2, 0.2],
          isNew: true,
        },
      ],
      1200,
    )
    const alerts = judge.observe([inside(1), inside(2)], 1500)
    expect(alerts.map(({ facts }) => [facts.trackId, facts.secondsInZone])).toEqual([[1, 0.5]])
  })

  it('counts a stay anew when the object was seen outside', () => {
    const judge = new Judge(camera(), MODEL)
    judge.observe([inside()], 0)
    judge.observe([outside()], 200)
    expect(judge.observe([inside()], 400)).toHaveLength(0)
    expect(judge.observe([inside()], 600)).toHaveLength(0)
    expect(judge.observe([inside()], 900)).toHaveLength(1)
  })

  it('forgives a detector that misses the object for a moment', () => {
    const judge = new Judge(camera({ minSeconds: 2 }), MODEL)
    const times = [0, 900, 1800, 2000]
    expect(times.map((atMs) => judge.observe([inside()], atMs).length)).toEqual([0, 0, 0, 1])
    const lost = new Judge(camera({ minSeconds: 2 }), MODEL)
    expect([0, 1001, 2002, 3001].map((atMs) => lost.observe([inside()], atMs).length)).toEqual([0, 0, 0, 0])
  })

  it('alerts on the next entry only after the cool-down', () => {
    const judge = new Judge(camera({ minSeconds: 0, cooldownSeconds: 10 }), MODEL)
    expect(judge.observe([inside()], 0)).toHaveLength(1)
    judge.observe([outside()], 1000)
    expect(judge.observe([inside()], 2000)).toHaveLength(0)
    judge.observe([outside()], 9000)
    expect(judge.observe([inside()], 9999)).toHaveLength(0)
    expect(judge.observe([inside()], 10_000)).toHaveLength(1)
  })

  it('has one cool-down for the rule: who comes meanwhile is told of when it is over, with the number', () => {
    const judge = new Judge(camera({ minSeconds: 0, cooldownSeconds: 10 }), MODEL)
    expect(judge.observe([inside(1)], 0)).toHaveLength(1)
    let alerts: AlertRecord[] = []
    for (let atMs = 200; atMs <= 10_000; atMs += 200) {
      const others = atMs < 1000 ? [inside(2)] : [inside(3), inside(4)]
      alerts = judge.observe([inside(1), ...others], atMs)
      expect(alerts).toHaveLength(atMs < 10_000 ? 0 : 1)
    }
    expect(alerts[0]!.facts).toMatchObject({ objectsInZone: 3, objectsSinceLastAlert: 3 })
    expect(alerts[0]!.objects.map(({ trackId, isSubject }) => [trackId, isSubject])).toEqual([
      [3, true],
      [4, true],
      [1, false],
    ])
    // Everybody who is there has been told of.
    for (let atMs = 10_200; atMs <= 30_000; atMs += 200) {
      expect(judge.observe([inside(1), inside(3), inside(4)], atMs)).toHaveLength(0)
    }
  })

  it('looks at the foot point and at the classes of the rule only', () => {
    const judge = new Judge(camera({ minSeconds: 0 }), MODEL)
    // The body reaches into the zone, the feet stand below it.
    expect(judge.observe([standing(0.5, 0.65)], 0)).toHaveLength(0)
    expect(judge.observe([standing(0.5, 0.5, 2, 'dog')], 200)).toHaveLength(0)
    expect(judge.observe([standing(0.4, 0.5, 3)], 400)).toHaveLength(1)
  })

  it('writes an alert that the protocol takes and a person understands', () => {
    let count = 0
    const makeId = () => `00000000-0000-4000-8000-${String(++count).padStart(12, '0')}`
    const judge = new Judge(camera(), MODEL, makeId)
    judge.observe([inside()], 1000)
    const [alert] = judge.observe([inside(1), standing(0.1, 0.9, 7, 'car')], 1600.4)
    expect(parseAlert(alert)).toEqual({ ok: true, value: alert })
    expect(alert!.reason).toBe(
      'A person has been inside “Yard” of East gate for 0.6 s (limit 0.5 s, detector 82 % sure).',
    )
    expect(alert).toMatchObject({
      atMs: 1600,
      deviceId: 'cam-01',
      region: '410502003',
      rule: 'intrusion',
      ruleName: 'Yard',
      severity: 'major',
      zone: SQUARE,
      model: MODEL,
      evidenceIds: [],
    })
    expect(alert!.objects.map(({ trackId, isSubject }) => [trackId, isSubject])).toEqual([
      [1, true],
      [7, false],
    ])
  })

  it('names at most as many objects as the protocol takes', () => {
    const judge = new Judge(camera({ minSeconds: 0 }), MODEL)
    const crowd = Array.from({ length: 150 }, (_, index) => outside(index + 10))
    const [alert] = judge.observe([...crowd, inside(1)], 0)
    expect(parseAlert(alert).ok).toBe(true)
    expect(alert!.objects[0]).toMatchObject({ trackId: 1, isSubject: true })
  })

  it('never alerts twice for one track within the cool-down, nor before the minimum stay', () => {
    const step = fc.record({
      gapMs: fc.integer({ min: 1, max: 900 }),
      isIn: fc.boolean(),
      isSeen: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const judge = new Judge(camera({ minSeconds: 1, cooldownSeconds: 5 }), MODEL)
        let atMs = 0
        let insideSinceMs: number | undefined
        let lastAlertMs = Number.NEGATIVE_INFINITY
        for (const { gapMs, isIn, isSeen } of steps) {
          atMs += gapMs
          const alerts = judge.observe(isSeen ? [isIn ? inside() : outside()] : [], atMs)
          if (isSeen) insideSinceMs = isIn ? (insideSinceMs ?? atMs) : undefined
          expect(alerts.length).toBeLessThanOrEqual(1)
          if (alerts.length === 0) continue
          expect(insideSinceMs !== undefined && atMs - insideSinceMs >= 1000).toBe(true)
          expect(atMs - lastAlertMs).toBeGreaterThanOrEqual(5000)
          lastAlertMs = atMs
        }
      }),
    )
  })
})

describe('isInside', () => {
  it('counts border and corners as inside', () => {
    for (const corner of SQUARE) expect(isInside(corner, SQUARE)).toBe(true)
    expect(isInside([0.5, 0.4], SQUARE)).toBe(true)
    expect(isInside([0.6, 0.5], SQUARE)).toBe(true)
    expect(isInside([0.600001, 0.5], SQUARE)).toBe(false)
  })

  it('agrees with the definition for rectangles, whichever corner comes first and in either direction', () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(unit, unit, fc.integer({ min: 0, max: 3 }), fc.boolean(), (x, y, turn, isReversed) => {
        const turned = [...SQUARE.slice(turn), ...SQUARE.slice(0, turn)]
        const corners = isReversed ? turned.reverse() : turned
        expect(isInside([x, y], corners)).toBe(x >= 0.4 && x <= 0.6 && y >= 0.4 && y <= 0.6)
      }),
    )
  })

  it('follows a polygon with a bay', () => {
    const bay: NormPoint[] = [
      [0, 0],
      [1, 0],
      [1, 1],
      [0.5, 0.2],
      [0, 1],
    ]
    expect(isInside([0.5, 0.1], bay)).toBe(true)
    expect(isInside([0.5, 0.5], bay)).toBe(false)
    expect(isInside([0.1, 0.6], bay)).toBe(true)
  })
})
