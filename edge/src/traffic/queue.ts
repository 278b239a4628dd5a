/**
 * A queue: the median speed of the last vehicles stays far below what is usual at this hour. The usual speed is the
 * median of an hour, learned over days; before the first whole hour nothing is said unless a speed is configured.
 */
import type { PassageRecord } from '@patrolhub/protocol'
import type { QueueRuleConfig } from '../config/traffic-schema.ts'
import type { Finding } from './finding.ts'
import { Hours, type HoursState } from './hours.ts'

/** What "the last vehicles" are. */
const VEHICLES = 20
/** Fewer in the time below are no queue, however slow they are. */
const LEAST_VEHICLES = 8
const WITHIN_MS = 2 * 60_000
/** After a pause of the road this long nothing is known of it; a queue may well stand for less. */
const PAUSE_MS = 30 * 60_000
/** A queue is over when vehicles are this much faster than what made it one. */
const OVER = 1.5
/** Speeds of an hour that are kept, evenly. */
const HOUR_SPEEDS = 256
const HOUR_LEAST = 30

export interface QueueState {
  usual: HoursState
  isQueued: boolean
}

export class Queue {
  readonly #rule: QueueRuleConfig
  readonly #usual: Hours
  #last: { atMs: number; speedKmh: number }[] = []
  #isQueued: boolean
  /** Since when speeds have been on the other side of the border. */
  #sinceMs: number | undefined
  #hourSpeeds: number[] = []
  #hourSeen = 0

  constructor(rule: QueueRuleConfig, state?: QueueState) {
    this.#rule = rule
    this.#usual = new Hours(state?.usual)
    this.#isQueued = state?.isQueued ?? false
  }

  get state(): QueueState {
    return { usual: this.#usual.state, isQueued: this.#isQueued }
  }

  /** @param localMs the time of the passage at the station, as if it were UTC. */
  judge({ atMs, speedKmh }: PassageRecord, localMs: number): Finding | undefined {
    if (speedKmh === undefined) return undefined
    this.#remember(speedKmh)
    const lastMs = this.#last.at(-1)?.atMs
    if (lastMs !== undefined && Math.abs(atMs - lastMs) > WITHIN_MS) {
      this.#last = []
      this.#sinceMs = undefined
      if (Math.abs(atMs - lastMs) > PAUSE_MS) this.#isQueued = false
    }
    this.#last.push({ atMs, speedKmh })
    if (this.#last.length > VEHICLES) this.#last.shift()
    const recent = this.#last.filter((each) => atMs - each.atMs < WITHIN_MS)
    const usualKmh = this.#usual.usual(localMs)
    const borderKmh =
      this.#rule.speedKmh ?? (usualKmh === undefined ? undefined : usualKmh * this.#rule.share)
    if (recent.length < LEAST_VEHICLES || borderKmh === undefined) return undefined
    const medianKmh = median(recent.map((each) => each.speedKmh))
    const isOtherSide = this.#isQueued ? medianKmh > borderKmh * OVER : medianKmh < borderKmh
    if (!isOtherSide) {
      this.#sinceMs = undefined
      return undefined
    }
    this.#sinceMs = Math.min(this.#sinceMs ?? atMs, atMs)
    if (atMs - this.#sinceMs < this.#rule.minSeconds * 1000) return undefined
    const seconds = Math.round((atMs - this.#sinceMs) / 1000)
    this.#isQueued = !this.#isQueued
    this.#sinceMs = undefined
    if (!this.#isQueued) return undefined
    const perMinute = Math.round((recent.length - 1) / Math.max(1 / 60, (atMs - recent[0]!.atMs) / 60_000))
    return this.#finding(atMs, { speedKmh: Math.round(medianKmh), usualKmh, perMinute, seconds })
  }

  /** The hour of the day has ended: its median becomes part of what is usual then. */
  endHour(hour: number): void {
    if (this.#hourSpeeds.length >= HOUR_LEAST) this.#usual.learn(hour, median(this.#hourSpeeds))
    this.#hourSpeeds = []
    this.#hourSeen = 0
  }

  #finding(
    atMs: number,
    {
      speedKmh,
      usualKmh,
      perMinute,
      seconds,
    }: { speedKmh: number; usualKmh: number | undefined; perMinute: number; seconds: number },
  ): Finding {
    const usual = usualKmh === undefined ? '' : `, usually ${Math.round(usualKmh)} km/h`
    return {
      rule: 'queue',
      ruleName: 'queue',
      severity: this.#rule.severity,
      atMs,
      sentence: `vehicles have been queueing for ${seconds} s: ${speedKmh} km/h${usual}, ${perMinute} vehicles a minute.`,
      facts: {
        speedKmh,
        perMinute,
        seconds,
        ...(usualKmh === undefined ? {} : { usualKmh: Math.round(usualKmh) }),
      },
    }
  }

  /** A sample of the hour in which every vehicle is as likely as another (Vitter's algorithm R). */
  #remember(speedKmh: number): void {
    this.#hourSeen += 1
    if (this.#hourSpeeds.length < HOUR_SPEEDS) this.#hourSpeeds.push(speedKmh)
    else {
      const place = Math.floor(Math.random() * this.#hourSeen)
      if (place < HOUR_SPEEDS) this.#hourSpeeds[place] = speedKmh
    }
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}
