import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CheckpointConfig, SensorConfig } from '../../src/config.ts'
import { findModel, type LoadedModelInfo, readModelCatalogue } from '../../src/detect/model-file.ts'
import { EdgeError } from '../../src/errors.ts'
import { Forecaster } from '../../src/signal/forecaster.ts'
import { Signal } from '../../src/signal/signal.ts'
import { waitFor } from '../support/wait.ts'

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
  rule,
  silence: { isOn: false, minSeconds: 600, severity: 'minor' },
}

let model: LoadedModelInfo
let forecaster: Forecaster
let signal: Signal
let records: JournalRecord[]
let isConnected: boolean

beforeEach(async () => {
  const catalogue = await readModelCatalogue(join(MODELS, 'catalogue.json'))
  model = await findModel({ wanted: 'auto', catalogue, folders: [MODELS], task: 'signal' })
  forecaster = await Forecaster.open(model)
  records = []
  isConnected = true
  signal = new Signal({
    checkpoints: [checkpoint],
    sensors: [sensor],
    forecaster,
    append: async (added) => void records.push(...added),
    isConnected: () => isConnected,
    log: pino({ level: 'silent' }),
  })
})
afterEach(async () => {
  await signal.close()
  await forecaster.close()
})

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
      facts: { value: 4.5, side: 'above', threshold: 0.7 },
      model: { id: 'signal-forecast', sha256: model.entry.sha256 },
    })
    expect(alert.score).toBeGreaterThan(0.7)
    expect(alert.reason).toMatch(/^water_level of River is 4\.5 m, above the expected 2\.9\d to 3\.0\d m\.$/)
  })

  it('raises no alert while it is warming up', async () => {
    signal.readings(
      sensor,
      Array.from({ length: 10 }, (_, index) => reading(calm(index))),
    )
    signal.readings(sensor, [reading(50)])
    await scored(10)
    expect(scores().at(-1)!.score).toBeGreaterThan(0.9)
    expect(alerts()).toEqual([])
  })

  it('gets used to a new level', async () => {
    const levels = Array.from({ length: 120 }, (_, index) => calm(index) + (index < 60 ? 0 : 2))
    signal.readings(sensor, levels.map(reading))
    await scored(119)
    expect(scores()[59]!.score).toBeGreaterThan(0.9)
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
      let isDurable = () => {}
      const awaited = new Promise<void>((resolve) => {
        isDurable = resolve
      })
      let appends = 0
      const racing = new Signal({
        checkpoints: [],
        sensors: [sensor],
        forecaster,
        append: async () => {
          appends += 1
          if (appends === 1) await awaited
        },
        isConnected: () => true,
        log: pino({ level: 'silent' }),
      })
      racing.readings(sensor, [reading(1), reading(2)])
      await waitFor('the first score waits for the disk', () => appends === 1)
      isDurable()
      for (let turn = 0; turn < turns; turn++) await null
      racing.readings(sensor, [reading(3)])
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
    signal.readings(sensor, [{ ...reading(4.5), atMs: Date.UTC(2150, 0) }, reading(calm(1)), reading(4.6)])
    await scored(62)
    expect(alerts().map(({ facts }) => facts.value)).toEqual([4.5, 4.6])
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

describe('the signal model', () => {
  it('judges a batch as it judges each alone', async () => {
    const judged = Array.from({ length: 50 }, (_, series) => ({
      recent: Array.from({ length: 1 + (series % 32) }, (_, index) => calm(index + series)),
      value: calm(series) + series / 100,
      resolution: 0,
    }))
    const together = await forecaster.judge(judged)
    for (const [index, item] of judged.entries()) {
      const [alone] = await forecaster.judge([item])
      expect(together[index]!.score).toBeCloseTo(alone!.score, 5)
      expect(together[index]!.expectedHigh).toBeCloseTo(alone!.expectedHigh, 4)
    }
  })

  it('is refused when it has another form than the decoder wants', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'patrolhub-signal-'))
    try {
      const path = join(folder, 'signal-forecast.onnx')
      writeFileSync(path, readFileSync(model.path).subarray(0, 4000))
      const refusal = (info: LoadedModelInfo) =>
        Forecaster.open(info).then(
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
