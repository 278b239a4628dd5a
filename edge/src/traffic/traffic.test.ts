import type { AlertRecord, PassageRecord } from '@patrolhub/protocol'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { seeded } from '../../test/support/seeded.ts'
import type { TrafficConfig } from '../config/traffic-schema.ts'
import type { CheckpointConfig } from '../config.ts'
import { Traffic } from './traffic.ts'

const HOUR_MS = 3_600_000
/** Midnight at a station of +08:00. */
const BEGIN_MS = Date.UTC(2026, 0, 4, 16)
const QUEUE = { isOn: true, share: 0.4, minSeconds: 60, severity: 'minor' } as const
const BLOCKED = { isOn: true, minSeconds: 180, severity: 'minor' } as const
const SPEEDING = {
  tolerancePercent: 10,
  severity: 'minor',
  grossPercent: 50,
  grossSeverity: 'major',
  cooldownSeconds: 60,
} as const

/** A journal of states that outlives a `Traffic`. */
function states() {
  const kept = new Map<string, Uint8Array>()
  return {
    kept,
    load: () => kept,
    save: (all: readonly { series: string; state: Uint8Array }[]) => {
      for (const { series, state } of all) kept.set(series, state)
    },
  }
}

function road(traffic: Partial<TrafficConfig> = {}, memory = states()) {
  const checkpoint: CheckpointConfig = {
    checkpointId: 'gate',
    name: 'Gate',
    region: '410502003',
    lanes: 3,
    timeZone: '+08:00',
    flowWindowSeconds: 60,
    rule: { threshold: 0.7, severity: 'minor', cooldownSeconds: 60, warmUpValues: 20 },
    silence: { isOn: false, minSeconds: 600, severity: 'minor' },
    traffic: { queue: QUEUE, blockedLane: BLOCKED, ...traffic },
  }
  const log = pino({ level: 'silent' })
  const judge = new Traffic({ checkpoints: [checkpoint], states: memory, log })
  const pass = (passage: Partial<PassageRecord>): AlertRecord[] =>
    judge.judge(checkpoint, [
      {
        kind: 'passage',
        atMs: BEGIN_MS,
        deviceId: 'gate',
        region: checkpoint.region,
        lane: 1,
        ...passage,
      },
    ])
  return { judge, pass, memory }
}

interface Stretch {
  fromMs: number
  hours: number
  perHour: number
  speedKmh: number
  /** Share of each lane. */
  lanes?: readonly number[]
}

/** Vehicles at random times, in random lanes, with speeds that vary by a fifth. */
function* traffic(
  random: () => number,
  { fromMs, hours, perHour, speedKmh, lanes = [0.4, 0.4, 0.2] }: Stretch,
) {
  let atMs = fromMs
  while (true) {
    atMs += (-Math.log(1 - random()) * HOUR_MS) / perHour
    if (atMs >= fromMs + hours * HOUR_MS) return
    let share = random()
    let lane = lanes.findIndex((each) => {
      share -= each
      return share < 0
    })
    if (lane < 0) lane = 0
    yield { atMs: Math.round(atMs), lane: lane + 1, speedKmh: speedKmh * (0.8 + 0.4 * random()) }
  }
}

describe('speeding', () => {
  const rule = {
    ...SPEEDING,
    limits: [{ limitKmh: 40, classes: ['h', 'K1'] }, { limitKmh: 80, lanes: [2] }, { limitKmh: 60 }],
  }

  it('goes by lane and class, above the tolerance', () => {
    const limitOf = (passage: Partial<PassageRecord>) =>
      road({ speeding: rule }).pass(passage)[0]?.facts.limitKmh
    expect(limitOf({ speedKmh: 66 })).toBeUndefined()
    expect(
      road({ speeding: { ...rule, tolerancePercent: 36, limits: [{ limitKmh: 75 }] } }).pass({
        speedKmh: 102,
      }),
    ).toEqual([])
    expect(limitOf({ speedKmh: 66.1 })).toBe(60)
    expect(limitOf({ speedKmh: 66.1, lane: 2 })).toBeUndefined()
    expect(limitOf({ speedKmh: 89, lane: 2 })).toBe(80)
    expect(limitOf({ speedKmh: 45, lane: 2, vehicleClass: 'H11' })).toBe(40)
    expect(limitOf({ speedKmh: 45, vehicleClass: 'k12' })).toBe(40)
    expect(limitOf({ speedKmh: 45, vehicleClass: 'K33' })).toBeUndefined()
    expect(limitOf({ lane: 2 })).toBeUndefined()
    expect(limitOf({ speedKmh: 300, timing: 'late' })).toBeUndefined()
  })

  it('tells of one a minute and how many there were, but of a danger at once', () => {
    const { pass } = road({ speeding: rule })
    const at = (seconds: number, speedKmh: number) =>
      pass({ atMs: BEGIN_MS + seconds * 1000, speedKmh }).map(({ severity, facts }) => [
        severity,
        facts.objectsSinceLastAlert,
      ])
    expect(at(0, 70)).toEqual([['minor', 1]])
    expect(at(10, 70)).toEqual([])
    expect(at(20, 71)).toEqual([])
    expect(at(30, 91)).toEqual([['major', 3]])
    expect(at(31, 95)).toEqual([])
    expect(at(91, 70)).toEqual([['minor', 2]])
  })

  it('says neither plate nor hash', () => {
    const [alert] = road({ speeding: rule }).pass({ speedKmh: 99, plateHash: 'ab'.repeat(32) })
    expect(JSON.stringify(alert)).not.toContain('abab')
    expect(alert!.reason).toBe('At Gate a vehicle passed in lane 1 at 99 km/h; the limit is 60 km/h.')
  })
})

describe('a wrong way', () => {
  it('is one against the direction of a lane, if the device tells it', () => {
    const wrongWay = {
      lanes: [{ lane: 1, wrongDirections: ['South', '3'] }],
      severity: 'major' as const,
      cooldownSeconds: 30,
    }
    const { pass } = road({ wrongWay })
    for (const direction of ['north', 'unknown', '9', '03']) expect(pass({ direction })).toEqual([])
    expect(pass({ lane: 2, direction: 'south' })).toEqual([])
    expect(pass({})).toEqual([])
    expect(pass({ direction: 'south' })).toMatchObject([
      { rule: 'wrong-way', severity: 'major', facts: { lane: 1, direction: 'south' } },
    ])
    expect(pass({ direction: 'south', atMs: BEGIN_MS + 1000 })).toEqual([])
  })
})

describe('what is learned of a road', () => {
  const day = (fromMs: number): Stretch[] =>
    Array.from({ length: 24 }, (_, hour) => ({
      fromMs: fromMs + hour * HOUR_MS,
      hours: 1,
      perHour: hour < 6 ? 20 : 400,
      // Every morning the road is full.
      speedKmh: hour === 8 ? 15 : 60,
    }))
  const play = (pass: ReturnType<typeof road>['pass'], random: () => number, stretches: Stretch[]) =>
    stretches.flatMap((stretch) => [...traffic(random, stretch)].flatMap(pass))
  const rulesOf = (alerts: readonly AlertRecord[]) => alerts.map(({ rule }) => rule)

  it('keeps quiet over days, and knows the hour that is full every day', () => {
    const random = seeded(7)
    const { pass } = road()
    const alertsOf = (index: number) => rulesOf(play(pass, random, day(BEGIN_MS + index * 24 * HOUR_MS)))
    const days = [0, 1, 2, 3, 4, 5].map(alertsOf)
    expect(days.slice(0, 3).flat()).toEqual(['queue', 'queue', 'queue'])
    expect(days.slice(3).flat()).toEqual([])
  })

  it('finds one queue, also after a restart in its middle, and the next one', () => {
    const random = seeded(3)
    const first = road()
    const dayLater = BEGIN_MS + 24 * HOUR_MS
    play(first.pass, random, day(BEGIN_MS))
    const noon = dayLater + 12 * HOUR_MS
    const slow = { fromMs: noon, hours: 0.25, perHour: 400, speedKmh: 12 }
    const alerts = play(first.pass, random, [slow])
    expect(alerts).toMatchObject([{ rule: 'queue', deviceId: 'gate', severity: 'minor' }])
    expect(alerts[0]!.facts.usualKmh).toBeGreaterThan(50)
    expect(alerts[0]!.atMs - noon).toBeLessThan(4 * 60_000)
    first.judge.close()
    const { pass } = road({}, first.memory)
    expect(rulesOf(play(pass, random, [{ ...slow, fromMs: noon + 0.25 * HOUR_MS }]))).toEqual([])
    const free = { ...slow, fromMs: noon + 0.5 * HOUR_MS, speedKmh: 60 }
    expect(rulesOf(play(pass, random, [free]))).toEqual([])
    expect(rulesOf(play(pass, random, [{ ...slow, fromMs: noon + HOUR_MS }]))).toEqual(['queue'])
  })

  it('finds a lane that is empty while others are used, once; not a lane that is hardly used', () => {
    const random = seeded(5)
    const { pass } = road()
    const lanes = [0.5, 0.48, 0.02]
    play(
      pass,
      random,
      day(BEGIN_MS).map((stretch) => ({ ...stretch, lanes })),
    )
    const noon = BEGIN_MS + 36 * HOUR_MS
    const blocked = { fromMs: noon, hours: 1, perHour: 400, speedKmh: 60, lanes: [1, 0, 0] }
    const alerts = play(pass, random, [blocked])
    expect(alerts).toMatchObject([{ rule: 'lane-blocked', facts: { lane: 2 } }])
    expect(alerts[0]!.facts.seconds).toBeGreaterThanOrEqual(180)
    const open = { ...blocked, fromMs: noon + HOUR_MS, lanes }
    expect(play(pass, random, [open])).toEqual([])
    expect(rulesOf(play(pass, random, [{ ...blocked, fromMs: noon + 2 * HOUR_MS }]))).toEqual([
      'lane-blocked',
    ])
  })

  it('takes groups that use one lane for usual once it has seen them', () => {
    const { pass } = road()
    const alerts: AlertRecord[] = []
    for (let index = 0; index < 6000; index++) {
      const lane = Math.floor(index / 30) % 2 === 0 ? 1 : 2
      alerts.push(...pass({ atMs: BEGIN_MS + index * 20_000, lane, speedKmh: 60 }))
    }
    expect(alerts).toEqual([])
  })

  it('does not take a device that gives no lane, or one that is not there, for lanes', () => {
    const random = seeded(13)
    const { pass } = road()
    const at = (hour: number, lanes: number[]) =>
      [
        ...traffic(random, {
          fromMs: BEGIN_MS + hour * HOUR_MS,
          hours: 1,
          perHour: 400,
          speedKmh: 60,
          lanes,
        }),
      ].map((each) => ({ ...each, lane: each.lane === 3 ? 0 : each.lane === 2 ? 77 : 1 }))
    for (let hour = 0; hour < 12; hour += 1) expect(at(hour, [0.4, 0.3, 0.3]).flatMap(pass)).toEqual([])
    expect(at(13, [1, 0, 0]).flatMap(pass)).toEqual([])
  })

  it('takes a few slow vehicles for no queue, and a queue that stands for minutes for one', () => {
    const random = seeded(17)
    const { pass } = road()
    play(pass, random, day(BEGIN_MS))
    const noon = BEGIN_MS + 36 * HOUR_MS
    const sparse = { fromMs: noon, hours: 1, perHour: 60, speedKmh: 15 }
    expect(play(pass, random, [sparse])).toEqual([])
    const jam = [0, 1, 2, 3, 4, 5].map((part) => ({
      ...{ fromMs: noon + 2 * HOUR_MS + part * 0.2 * HOUR_MS, hours: 0.1, perHour: 500, speedKmh: 8 },
    }))
    expect(rulesOf(play(pass, random, jam))).toEqual(['queue'])
  })

  it('takes a pause for no empty lane, and a clock that jumps for no queue', () => {
    const random = seeded(9)
    const { pass } = road()
    play(pass, random, day(BEGIN_MS))
    const noon = BEGIN_MS + 36 * HOUR_MS
    // The device was away for hours; then lane 1 alone for a while that is too short to say anything.
    const alone = { fromMs: noon, hours: 0.04, perHour: 400, speedKmh: 60, lanes: [1, 0, 0] }
    expect(play(pass, random, [alone])).toEqual([])
    // Half an hour back: two slow vehicles are no queue of half an hour.
    const slow = { ...alone, fromMs: noon - HOUR_MS / 2, hours: 0.01, speedKmh: 5, lanes: [0.4, 0.4, 0.2] }
    expect(play(pass, random, [slow])).toEqual([])
  })

  it('starts anew where what was kept cannot be read', () => {
    const memory = states()
    memory.kept.set('gate/traffic', Buffer.from('{"version":1,'))
    expect(road({}, memory).pass({ speedKmh: 5 })).toEqual([])
    memory.kept.set('gate/traffic', Buffer.from('{"version":99}'))
    expect(road({}, memory).pass({ speedKmh: 5 })).toEqual([])
  })

  it('says nothing where it is switched off', () => {
    const random = seeded(11)
    const { pass } = road({ queue: { ...QUEUE, isOn: false }, blockedLane: { ...BLOCKED, isOn: false } })
    play(pass, random, day(BEGIN_MS))
    const bad = { fromMs: BEGIN_MS + 36 * HOUR_MS, hours: 1, perHour: 400, speedKmh: 5, lanes: [1, 0, 0] }
    expect(play(pass, random, [bad])).toEqual([])
  })
})
