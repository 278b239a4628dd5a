/**
 * Judges the passages of checkpoints as they come: speeding, wrong way, queues and blocked lanes. It is done here and not
 * at the hub, so that it goes on while the line is down; the alert is made durable together with its passage.
 *
 * What it has learned is saved every minute and at the end, beside the states of the anomaly model.
 */
import type { AlertRecord, PassageRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { CheckpointConfig } from '../config.ts'
import { offsetMinutes } from '../intake/pass-time.ts'
import type { StateFile } from '../signal/state-file.ts'
import { BlockedLanes, type LaneState } from './blocked-lanes.ts'
import { type Finding, trafficAlert } from './finding.ts'
import { hourOf } from './hours.ts'
import { Queue, type QueueState } from './queue.ts'
import { Speeding } from './speeding.ts'
import { WrongWay } from './wrong-way.ts'

const SAVE_MS = 60_000
const HOUR_MS = 3_600_000
/** Higher when the parts of a state, or what they mean, change: states of other versions are forgotten. */
const VERSION = 1

export interface TrafficOptions {
  checkpoints: readonly CheckpointConfig[]
  states: Pick<StateFile, 'load' | 'save'>
  log: Logger
}

interface SavedState {
  version: number
  queue: QueueState
  lanes: LaneState[]
}

interface Checkpoint {
  speeding: Speeding | undefined
  wrongWay: WrongWay | undefined
  queue: Queue
  lanes: BlockedLanes
  offsetMs: number
  /** The full hour before the newest passage, time at the station. */
  hourBeganMs: number | undefined
  isChanged: boolean
}

export class Traffic {
  readonly #options: TrafficOptions
  readonly #log: Logger
  readonly #checkpoints = new Map<string, Checkpoint>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: TrafficOptions) {
    this.#options = options
    this.#log = options.log
    const states = options.states.load()
    for (const { checkpointId, traffic, timeZone, lanes } of options.checkpoints) {
      const saved = this.#read(checkpointId, states.get(nameOf(checkpointId)))
      this.#checkpoints.set(checkpointId, {
        speeding: traffic.speeding && new Speeding(traffic.speeding),
        wrongWay: traffic.wrongWay && new WrongWay(traffic.wrongWay),
        queue: new Queue(traffic.queue, saved?.queue),
        lanes: new BlockedLanes(traffic.blockedLane, lanes, saved?.lanes),
        offsetMs: offsetMinutes(timeZone) * 60_000,
        hourBeganMs: undefined,
        isChanged: false,
      })
    }
  }

  start(): void {
    this.#timer = setInterval(() => this.#save(), SAVE_MS)
  }

  /**
   * Alerts that these passages, which have just come, give rise to. Those that come late or from the future say nothing
   * about the road as it is now.
   */
  judge(checkpoint: CheckpointConfig, passages: readonly PassageRecord[]): AlertRecord[] {
    const state = this.#checkpoints.get(checkpoint.checkpointId)
    if (!state) return []
    const findings: Finding[] = []
    for (const passage of passages) {
      if (passage.timing !== undefined) continue
      findings.push(...judgeOne(state, checkpoint, passage))
      state.isChanged = true
    }
    return findings.map((finding) => {
      const alert = trafficAlert(checkpoint, finding)
      const { alertId, deviceId, reason } = alert
      this.#log.info({ alertId, deviceId, reason }, 'alert raised')
      return alert
    })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#save()
  }

  #save(): void {
    const changed = [...this.#checkpoints].filter(([, { isChanged }]) => isChanged)
    if (changed.length === 0) return
    try {
      this.#options.states.save(
        changed.map(([checkpointId, { queue, lanes }]) => {
          const state: SavedState = { version: VERSION, queue: queue.state, lanes: lanes.state }
          return { series: nameOf(checkpointId), state: Buffer.from(JSON.stringify(state)) }
        }),
      )
      for (const [, state] of changed) state.isChanged = false
    } catch (err) {
      this.#log.warn(
        { err, checkpoints: changed.length },
        'what was learned of the traffic could not be saved',
      )
    }
  }

  #read(deviceId: string, bytes: Uint8Array | undefined): SavedState | undefined {
    if (!bytes) return undefined
    try {
      const saved = JSON.parse(Buffer.from(bytes).toString()) as SavedState
      return saved.version === VERSION ? saved : undefined
    } catch (err) {
      this.#log.warn({ err, deviceId }, 'what was learned of the traffic cannot be read')
      return undefined
    }
  }
}

function judgeOne(state: Checkpoint, { traffic }: CheckpointConfig, passage: PassageRecord): Finding[] {
  const { speeding, wrongWay, queue, lanes, offsetMs } = state
  const localMs = passage.atMs + offsetMs
  const { hourBeganMs } = state
  // A passage that comes out of order just after the full hour ends nothing.
  if (hourBeganMs !== undefined && localMs >= hourBeganMs + HOUR_MS) {
    queue.endHour(hourOf(hourBeganMs))
    lanes.endHour(hourOf(hourBeganMs))
  }
  state.hourBeganMs = Math.max(hourBeganMs ?? 0, localMs - (localMs % HOUR_MS))
  const queued = queue.judge(passage, localMs)
  const blocked = lanes.judge(passage, localMs)
  return [
    speeding?.judge(passage),
    wrongWay?.judge(passage),
    traffic.queue.isOn ? queued : undefined,
    ...(traffic.blockedLane.isOn ? blocked : []),
  ].filter((finding) => finding !== undefined)
}

function nameOf(checkpointId: string): string {
  return `${checkpointId}/traffic`
}
