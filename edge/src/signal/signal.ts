/**
 * Judges streams of numbers: a checkpoint's flow and mean speed, window by window, and the readings of sensors. Every
 * value gets a score record; a value that is odd enough raises an alert. Values that come while the model runs are
 * judged together in its next run; values of one series are judged in the order in which they came.
 *
 * Drop policy: at most `MAX_WAITING` values wait; further ones are not judged (`skipped`, counted). They are journalled
 * as passages and readings all the same.
 */
import type {
  AlertRecord,
  JournalRecord,
  PassageRecord,
  ReadingRecord,
  ScoreRecord,
} from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { CheckpointConfig, SensorConfig } from '../config.ts'
import { AlertGate, anomalyAlert, type SeriesSource } from './anomaly-alert.ts'
import { FlowCounter } from './flow.ts'
import type { Judgement, Scorer } from './scorer.ts'
import { SeriesModel } from './series-model.ts'
import type { StateFile } from './state-file.ts'

export interface SignalOptions {
  checkpoints: readonly CheckpointConfig[]
  sensors: readonly SensorConfig[]
  scorer: Scorer
  /** Where what was learned survives a restart. */
  states: StateFile
  /** Resolves when all are durable. */
  append: (records: JournalRecord[]) => Promise<unknown>
  /** While a checkpoint is not connected, its silence says nothing about the road. */
  isConnected: (deviceId: string) => boolean
  log: Logger
}

export interface SignalStats {
  scored: number
  alerts: number
  skipped: number
  failed: number
}

const MAX_WAITING = 10_000
const TICK_MS = 250
const SAVE_MS = 60_000
/** Saved in one go: some milliseconds. */
const SAVED_TOGETHER = 50
/** Speeds are given in steps of 1 km/h at best. */
const SPEED_RESOLUTION_KMH = 1

interface SeriesState {
  source: SeriesSource
  model: SeriesModel
  gate: AlertGate
  /** Values that were learned when it was last saved. */
  savedCount: number
}

interface WaitingValue {
  series: SeriesState
  value: number
  atMs: number
}

interface CheckpointState {
  flow: SeriesState
  speed: SeriesState
  counter: FlowCounter
  /** A window in which the checkpoint was away for a part says nothing. */
  wasConnected: boolean
}

export class Signal {
  readonly #options: SignalOptions
  readonly #log: Logger
  readonly #checkpoints = new Map<string, CheckpointState>()
  readonly #sensors = new Map<string, SeriesState>()
  #waiting: WaitingValue[] = []
  #run: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #saveTimer: NodeJS.Timeout | undefined
  #isClosing = false
  #stats: SignalStats = { scored: 0, alerts: 0, skipped: 0, failed: 0 }

  constructor(options: SignalOptions) {
    this.#options = options
    this.#log = options.log
    for (const checkpoint of options.checkpoints) {
      this.#checkpoints.set(checkpoint.checkpointId, checkpointState(checkpoint, Date.now()))
    }
    for (const sensor of options.sensors) this.#sensors.set(sensor.sensorId, sensorState(sensor))
    const states = options.states.load()
    for (const series of this.#all()) {
      const state = states.get(nameOf(series.source))
      if (state && series.model.restore(state)) series.savedCount = series.model.count
    }
  }

  start(): void {
    if (this.#checkpoints.size > 0)
      this.#timer = setInterval(() => {
        for (const checkpointId of this.#checkpoints.keys()) this.#closeWindow(checkpointId, Date.now())
      }, TICK_MS)
    this.#saveTimer = setInterval(() => void this.#save(), SAVE_MS)
  }

  passages(checkpoint: CheckpointConfig, passages: readonly PassageRecord[]): void {
    const state = this.#checkpoints.get(checkpoint.checkpointId)
    if (!state) return
    // Windows go by the time of arrival: a device's clock may be anywhere.
    this.#closeWindow(checkpoint.checkpointId, Date.now())
    for (const { speedKmh } of passages) state.counter.add(speedKmh)
  }

  readings(sensor: SensorConfig, readings: readonly ReadingRecord[]): void {
    const series = this.#sensors.get(sensor.sensorId)
    if (!series) return
    for (const { quantity, value, atMs } of readings) {
      if (quantity === sensor.quantity) this.#take({ series, value, atMs })
    }
  }

  stats(): SignalStats {
    return { ...this.#stats }
  }

  /** Judges what waits, saves what was learned, then stops. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearInterval(this.#timer)
    clearInterval(this.#saveTimer)
    while (this.#run) await this.#run
    await this.#save()
  }

  #all(): SeriesState[] {
    return [...this.#checkpoints.values()]
      .flatMap(({ flow, speed }) => [flow, speed])
      .concat([...this.#sensors.values()])
  }

  /** Saves the series that have learned something. */
  async #save(): Promise<void> {
    const changed = this.#all().filter(({ model, savedCount }) => model.count !== savedCount)
    while (changed.length > 0) {
      const some = changed.splice(0, SAVED_TOGETHER)
      try {
        this.#options.states.save(
          some.map(({ source, model }) => ({ series: nameOf(source), state: model.state })),
        )
        for (const series of some) series.savedCount = series.model.count
      } catch (err) {
        this.#log.warn({ err, series: some.length }, 'what was learned could not be saved')
        return
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  #closeWindow(checkpointId: string, nowMs: number): void {
    const state = this.#checkpoints.get(checkpointId)
    if (!state?.counter.isOver(nowMs)) return
    const window = state.counter.close(nowMs)
    const isConnected = this.#options.isConnected(checkpointId)
    const isWhole = state.wasConnected && isConnected
    state.wasConnected = isConnected
    if (!window || !(isWhole || window.vehicles > 0)) return
    this.#take({ series: state.flow, value: window.vehiclesPerMinute, atMs: window.atMs })
    if (window.meanSpeedKmh !== undefined) {
      this.#take({ series: state.speed, value: window.meanSpeedKmh, atMs: window.atMs })
    }
  }

  #take(value: WaitingValue): void {
    if (this.#isClosing) return
    if (this.#waiting.length >= MAX_WAITING) {
      this.#stats.skipped += 1
      return
    }
    this.#waiting.push(value)
    this.#schedule()
  }

  #schedule(): void {
    this.#run ??= this.#judgeAll().finally(() => {
      this.#run = undefined
      // What came after the run had looked for the last time.
      if (this.#waiting.length > 0) this.#schedule()
    })
  }

  async #judgeAll(): Promise<void> {
    // Everything that comes in this turn of the event loop goes into the first run.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch()
      try {
        await this.#judge(batch)
      } catch (error) {
        this.#stats.failed += batch.length
        this.#log.error({ err: error, values: batch.length }, 'values could not be judged')
      }
    }
  }

  /** The first waiting value of each series: the next one of a series needs the history with this one. */
  #takeBatch(): WaitingValue[] {
    const batch = new Map<SeriesState, WaitingValue>()
    const rest: WaitingValue[] = []
    for (const waiting of this.#waiting) {
      if (batch.has(waiting.series)) rest.push(waiting)
      else batch.set(waiting.series, waiting)
    }
    this.#waiting = rest
    return [...batch.values()]
  }

  async #judge(batch: readonly WaitingValue[]): Promise<void> {
    const inputs = batch.map(({ series, value, atMs }) => ({
      series: series.model,
      value,
      atMs,
      resolution: series.source.resolution,
    }))
    const seen = inputs.map(({ series }) => series.count)
    const judgements = await this.#options.scorer.judge(inputs)
    const records: JournalRecord[] = []
    for (const [index, { series, value, atMs }] of batch.entries()) {
      // With nothing to compare with there is no expectation to write down.
      if (seen[index] === 0) continue
      const judgement = judgements[index]!
      const scored = scoreRecord(series.source, value, atMs, judgement)
      records.push(scored)
      const alert = this.#alertFor(series, scored, judgement, seen[index]!)
      if (alert) records.unshift(alert)
    }
    if (records.length > 0) await this.#options.append(records)
  }

  #alertFor(
    { source, gate }: SeriesState,
    scored: ScoreRecord,
    { news, reason }: Judgement,
    seen: number,
  ): AlertRecord | undefined {
    this.#stats.scored += 1
    if (!gate.admits(news, seen, scored.atMs, source.rule)) return undefined
    this.#stats.alerts += 1
    const alert = anomalyAlert(source, scored, reason, this.#options.scorer.model)
    this.#log.info(
      { alertId: alert.alertId, deviceId: source.deviceId, reason: alert.reason },
      'alert raised',
    )
    return alert
  }
}

function scoreRecord(source: SeriesSource, value: number, atMs: number, judgement: Judgement): ScoreRecord {
  return {
    kind: 'score',
    atMs,
    deviceId: source.deviceId,
    region: source.region,
    series: source.series,
    value,
    score: judgement.score,
    expectedLow: source.isCount ? Math.max(0, judgement.expectedLow) : judgement.expectedLow,
    expectedHigh: source.isCount ? Math.max(0, judgement.expectedHigh) : judgement.expectedHigh,
  }
}

function seriesState(source: SeriesSource): SeriesState {
  return { source, model: new SeriesModel(), gate: new AlertGate(), savedCount: 0 }
}

function nameOf({ deviceId, series }: SeriesSource): string {
  return `${deviceId}/${series}`
}

function checkpointState(checkpoint: CheckpointConfig, nowMs: number): CheckpointState {
  const common = {
    deviceId: checkpoint.checkpointId,
    deviceKind: 'checkpoint',
    deviceName: checkpoint.name,
    region: checkpoint.region,
    rule: checkpoint.rule,
    isCount: true,
  } as const
  return {
    flow: seriesState({
      ...common,
      series: 'flow',
      unit: 'vehicles/min',
      resolution: 60 / checkpoint.flowWindowSeconds,
    }),
    speed: seriesState({ ...common, series: 'speed', unit: 'km/h', resolution: SPEED_RESOLUTION_KMH }),
    counter: new FlowCounter(checkpoint.flowWindowSeconds, nowMs),
    wasConnected: false,
  }
}

function sensorState(sensor: SensorConfig): SeriesState {
  return seriesState({
    deviceId: sensor.sensorId,
    deviceKind: 'sensor',
    deviceName: sensor.name,
    region: sensor.region,
    series: sensor.quantity,
    unit: sensor.unit,
    rule: sensor.rule,
    resolution: sensor.resolution,
    isCount: false,
  })
}
