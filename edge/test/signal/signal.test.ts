import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AlertRecord,
  type JournalRecord,
  parser,
  RECORD_SCHEMAS,
  type ReadingRecord,
  type ScoreRecord,
} from '@patrolhub/protocol'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CheckpointConfig, SensorConfig } from '../../src/config.ts'
import { findModel, type LoadedModelInfo, readModelCatalogue } from '../../src/detect/model-file.ts'
import { EdgeError } from '../../src/errors.ts'
import { Scorer } from '../../src/signal/scorer.ts'
import { SeriesModel } from '../../src/signal/series-model.ts'
import { Signal } from '../../src/signal/signal.ts'
import { StateFile } from '../../src/signal/state-file.ts'
import { TRAFFIC } from '../support/intake-options.ts'
import { waitFor } from '../support/wait.ts'

const log = pino({ level: 'silent' })
const MODELS = join(import.meta.dirname, '../../../models')
const rule = { threshold: 0.7, severity: 'minor', cooldownSeconds: 60, warmUpValues: 20 } as const
const sensor: SensorConfig = {
  sensorId: 'river',
  name: 'River',
  region: '4105',
  quantity: 'water_level',
  unit: 'm',
  resolution: 0,
  rule,
  silence: { isOn: false, minSeconds: 600, severity: 'minor' },
}
const checkpoint: CheckpointConfig = {
  checkpointId: 'gate',
  name: 'Gate',
  region: '4105',
  lanes: 2,
  timeZone: '+08:00',
  flowWindowSeconds: 1,
  traffic: TRAFFIC,
  rule,
  silence: { isOn: false, minSeconds: 600, severity: 'minor' },
}

let model: LoadedModelInfo
let scorer: Scorer
let folder: string
let states: StateFile
let signal: Signal
let records: JournalRecord[]
let isConnected: boolean

beforeEach(async () => {
  const catalogue = await readModelCatalogue(join(MODELS, 'catalogue.json'))
  model = await findModel({ wanted: 'auto', catalogue, folders: [MODELS], task: 'signal' })
  scorer = await Scorer.open(model)
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-signal-'))
  states = StateFile.open(folder, log)
  records = []
  isConnected = true
  signal = newSignal()
})
afterEach(async () => {
  await signal.close()
  states.close()
  await scorer.close()
  rmSync(folder, { recursive: true, force: true })
})

function newSignal(): Signal {
  return new Signal({
    checkpoints: [checkpoint],
    sensors: [sensor],
    scorer,
    states,
    append: async (added) => void records.push(...added),
    isConnected: () => isConnected,
    log,
  })
}

let atMs = 1_760_000_000_000
function reading(value: number): ReadingRecord {
  atMs += 1000
  return {
    kind: 'reading',
    atMs,
    deviceId: 'river',
    region: '4105',
    quantity: 'water_level',
    value,
    unit: 'm',
  }
}
const scores = () => records.filter((record): record is ScoreRecord => record.kind === 'score')
const alerts = () => records.filter((record): record is AlertRecord => record.kind === 'alert')
const calm = (index: number) => 3 + 0.02 * Math.sin(index * 1.7) + 0.01 * Math.cos(index * 0.9)
const scored = (count: number) => waitFor(`${count} scores`, () => scores().length >= count)

describe('the anomaly model over readings', () => {
  it('scores every value after the first, in order, with a band that holds the calm ones', async () => {
    signal.readings(
      sensor,
      Array.from({ length: 100 }, (_, index) => reading(calm(index))),
    )
    await scored(99)
    expect(scores().map(({ value }) => value)).toEqual(
      Array.from({ length: 99 }, (_, index) => calm(index + 1)),
    )
    for (const score of scores()) expect(parser(RECORD_SCHEMAS.score)(score)).toMatchObject({ ok: true })
    const inBand = scores().filter(
      ({ value, expectedLow, expectedHigh }) => value >= expectedLow && value <= expectedHigh,
    )
    expect(inBand.length).toBeGreaterThan(95)
    expect(alerts()).toEqual([])
  })

  it('raises one alert for a spike, says why, and is silent during the cool-down', async () => {
    signal.readings(
      sensor,
      Array.from({ length: 60 }, (_, index) => reading(calm(index))),
    )
    signal.readings(sensor, [reading(4.5), reading(4.6), reading(calm(1))])
    await scored(62)
    expect(alerts()).toHaveLength(1)
    const alert = alerts()[0]!
    expect(parser(RECORD_SCHEMAS.alert)(alert)).toMatchObject({ ok: true })
    expect(alert).toMatchObject({
      deviceId: 'river',
      deviceKind: 'sensor',
      ruleName: 'water_level',
      severity: 'minor',
      facts: { value: 4.5, side: 'above', threshold: 0.7, why: 'spike' },
      model: { id: 'signal-novelty', sha256: model.entry.sha256 },
    })
    expect(alert.score).toBeGreaterThan(0.7)
    expect(alert.reason).toMatch(
      /^water_level of River is 4\.5 m, above the expected 2\.\d+ to 3\.\d+ m: a sudden value/,
    )
  })

  it('raises no alert while it is warming up', async () => {
    signal.readings(
      sensor,
      Array.from({ length: 16 }, (_, index) => reading(calm(index))),
    )
    signal.readings(sensor, [reading(50)])
    await scored(16)
    expect(scores().at(-1)!.score).toBeGreaterThan(0.2)
    expect(alerts()).toEqual([])
  })

  it('gets used to a new level', async () => {
    const levels = Array.from({ length: 120 }, (_, index) => calm(index) + (index < 60 ? 0 : 2))
    signal.readings(sensor, levels.map(reading))
    await scored(119)
    expect(scores()[59]!.score).toBeGreaterThan(0.85)
    expect(
      Math.max(
        ...scores()
          .slice(-20)
          .map(({ score }) => score),
      ),
    ).toBeLessThan(0.5)
    expect(alerts()).toHaveLength(1)
  })

  it('judges a value at once whatever the moment at which it comes', async () => {
    // A value may come in the very turn in which the run before it ends: with its records, from the same commit.
    for (let turns = 0; turns < 12; turns++) {
      const own = { ...sensor, sensorId: `river-${turns}` }
      let isDurable = () => {}
      const awaited = new Promise<void>((resolve) => {
        isDurable = resolve
      })
      let appends = 0
      const racing = new Signal({
        checkpoints: [],
        sensors: [own],
        scorer,
        states,
        append: async () => {
          appends += 1
          if (appends === 1) await awaited
        },
        isConnected: () => true,
        log,
      })
      racing.readings(own, [reading(1), reading(2)])
      await waitFor('the first score waits for the disk', () => appends === 1)
      isDurable()
      for (let turn = 0; turn < turns; turn++) await null
      racing.readings(own, [reading(3)])
      await waitFor(`the value that came ${turns} turns later is scored`, () => appends === 2, {
        deadlineMs: 2000,
      })
      await racing.close()
    }
  })

  it('is not silenced by a device whose clock was wrong', async () => {
    signal.readings(
      sensor,
      Array.from({ length: 60 }, (_, index) => reading(calm(index))),
    )
    signal.readings(sensor, [{ ...reading(4.5), atMs: Date.UTC(2150, 0) }])
    signal.readings(
      sensor,
      Array.from({ length: 250 }, (_, index) => reading(calm(index))),
    )
    signal.readings(sensor, [reading(9)])
    await scored(311)
    expect(alerts().map(({ facts }) => facts.value)).toEqual([4.5, 9])
  })

  it('passes over readings of another quantity', async () => {
    signal.readings(sensor, [{ ...reading(1), quantity: 'battery' }, reading(3), reading(3)])
    await scored(1)
    expect(scores().map(({ series }) => series)).toEqual(['water_level'])
  })

  it('survives values as large and as small as the intake lets through', async () => {
    signal.readings(sensor, [0, 1e15, -1e15, 1e15, 5e-324, 0].map(reading))
    await scored(5)
    for (const score of scores()) expect(parser(RECORD_SCHEMAS.score)(score)).toMatchObject({ ok: true })
  })
})

describe('the flow of a checkpoint', () => {
  const passage = {
    kind: 'passage',
    atMs: 0,
    deviceId: 'gate',
    region: '4105',
    lane: 1,
    speedKmh: 50,
  } as const

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const passWindows = (count: number) => vi.advanceTimersByTime(count * checkpoint.flowWindowSeconds * 1000)

  it('is scored window by window while the checkpoint is connected, silence included', async () => {
    signal.start()
    signal.passages(checkpoint, Array(5).fill(passage))
    passWindows(3)
    await waitFor('flow and speed', () =>
      scores().some(({ series, value }) => series === 'flow' && value === 0),
    )
    expect(scores()[0]).toMatchObject({ deviceId: 'gate', series: 'flow' })
    expect(scores()[0]!.expectedLow).toBeGreaterThanOrEqual(0)
  })

  it('is not measured while the checkpoint is away', async () => {
    isConnected = false
    signal.start()
    passWindows(10)
    isConnected = true
    const backAtMs = Date.now()
    // The first window says nothing, because it was away at its beginning; of the second there is nothing to expect.
    passWindows(4)
    await scored(2)
    await signal.close()
    expect(scores()).toHaveLength(2)
    expect(scores()[0]!.atMs - backAtMs).toBeGreaterThan(2000)
  })
})

describe('what was learned of a series', () => {
  const values = Array.from({ length: 160 }, (_, index) => calm(index) + (index > 120 ? 0.3 : 0))

  it('survives a restart: scores and bands go on as if there had been none', async () => {
    const firstAtMs = atMs
    signal.readings(sensor, values.map(reading))
    await scored(159)
    const without = scores()

    records = []
    atMs = firstAtMs
    rmSync(folder, { recursive: true, force: true })
    folder = mkdtempSync(join(tmpdir(), 'patrolhub-signal-'))
    states.close()
    states = StateFile.open(folder, log)
    for (const part of [values.slice(0, 100), values.slice(100)]) {
      signal = newSignal()
      signal.readings(sensor, part.map(reading))
      await signal.close()
      states.close()
      states = StateFile.open(folder, log)
    }
    expect(scores()).toEqual(without)
  })

  it('is forgotten, and the file set aside, when it cannot be read', async () => {
    signal.readings(sensor, values.map(reading))
    await signal.close()
    states.close()
    writeFileSync(
      join(folder, 'signal.sqlite'),
      'this is no database, and it is longer than a page'.repeat(200),
    )
    states = StateFile.open(folder, log)
    expect(states.load().size).toBe(0)
    expect(existsSync(join(folder, 'signal.sqlite.damaged'))).toBe(true)
    states.save([{ series: 'river/water_level', state: new Uint8Array(8) }])
    expect([...states.load().keys()]).toEqual(['river/water_level'])
  })
})

describe('the signal model', () => {
  const take = (series: SeriesModel, value: number, step: number) => ({
    series,
    value,
    atMs: 1.4e12 + step * 300_000,
    resolution: 0,
  })

  it('judges a series alike alone and among others, to the last bit', async () => {
    const course = (of: number, step: number) => calm(step * (1 + of / 7)) + (step === 70 ? of / 10 : 0)
    const alone = Array.from({ length: 40 }, () => new SeriesModel())
    const together = alone.map(() => new SeriesModel())
    for (let step = 0; step < 80; step++) {
      const all = await scorer.judge(together.map((series, of) => take(series, course(of, step), step)))
      for (const [of, series] of alone.entries()) {
        expect(await scorer.judge([take(series, course(of, step), step)])).toEqual([all[of]])
      }
    }
  })

  it('gives a score of 0 to 1 and a finite band for any numbers, missing ones too', async () => {
    const anyNumber = fc.oneof(fc.double(), fc.constant(Number.NaN), fc.integer({ min: -2, max: 2 }))
    await fc.assert(
      fc.asyncProperty(fc.array(anyNumber, { minLength: 1, maxLength: 60 }), async (numbers) => {
        const series = new SeriesModel()
        for (const [step, value] of numbers.entries()) {
          const [judgement] = await scorer.judge([take(series, value, step)])
          const { score, news, expectedLow, expected, expectedHigh } = judgement!
          expect(score >= 0 && score <= 1 && (news === 0 || news === score)).toBe(true)
          expect(expectedLow <= expected && expected <= expectedHigh).toBe(true)
          expect(Number.isFinite(expectedLow) && Number.isFinite(expectedHigh)).toBe(true)
        }
      }),
      { numRuns: 25 },
    )
  })

  /** Judges a course of five-minute values; what was odd from `from` on, and why. */
  async function oddOf(length: number, from: number, course: (step: number) => number) {
    const series = new SeriesModel()
    const found: { step: number; reason: string; news: number }[] = []
    for (let step = 0; step < length; step++) {
      const [judgement] = await scorer.judge([take(series, course(step), step)])
      const { score, news, reason } = judgement!
      if (step >= from && score > 0.5) found.push({ step, reason, news })
    }
    return found
  }
  const day = (step: number) => Math.sin((step * 2 * Math.PI) / 288)
  const odd = (step: number) => Math.sin(step * 12.9898) * Math.cos(step * 78.233)

  it('misses a peak that comes every day, and says that it is the hour', async () => {
    const peak = (step: number) => (step % 288 > 100 && step % 288 < 130 && step < 1440 ? 40 : 0)
    const found = await oddOf(1600, 1300, (step) => 50 + odd(step) + peak(step))
    expect(found[0]?.reason).toBe('unusual-hour')
    expect(found[0]!.step - 1440).toBeGreaterThan(100)
    expect(found[0]!.step - 1440).toBeLessThan(135)
  })

  it('finds a series that stands still', async () => {
    const found = await oddOf(900, 800, (step) => 20 + 3 * odd(Math.min(step, 820)))
    const still = found.find(({ reason }) => reason === 'flat-line')
    expect(still!.step).toBeGreaterThan(820)
    expect(still!.step).toBeLessThan(830)
  })

  it('has nothing to say of a habit that goes on, nor twice about one episode', async () => {
    expect(await oddOf(2500, 1200, (step) => 50 + 30 * day(step) + odd(step))).toEqual([])
    const shifted = await oddOf(1300, 1000, (step) => 50 + odd(step) + (step >= 1100 ? 25 : 0))
    const told = shifted.filter(({ news }) => news > 0)
    expect(told[0]!.step).toBe(1100)
    expect(told.length).toBeLessThan(4)
  })

  it('is refused when it has another form than the decoder wants', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'patrolhub-signal-'))
    try {
      const path = join(folder, 'signal-novelty.onnx')
      writeFileSync(path, readFileSync(model.path).subarray(0, 2000))
      const refusal = (info: LoadedModelInfo) =>
        Scorer.open(info).then(
          () => 'opened',
          (error: unknown) => (error instanceof EdgeError ? error.code : String(error)),
        )
      expect(await refusal({ ...model, path })).toBe('EDGE_MODEL_HASH')
      const otherInput = { ...model.entry, input: { ...model.entry.input, name: 'images' } }
      expect(await refusal({ ...model, entry: otherInput })).toBe('EDGE_MODEL_SHAPE')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
