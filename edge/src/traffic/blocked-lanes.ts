/**
 * A lane that stays empty while vehicles pass in the others. If a vehicle takes the lane with probability p, none of n
 * does so with (1 - p)^n; below `ALPHA` that is no chance. p is the lane's share of the checkpoint's vehicles, learned
 * over days by the hour, and the lower one of that hour's and any hour's counts.
 */
import type { PassageRecord } from '@patrolhub/protocol'
import type { BlockedLaneRuleConfig } from '../config/traffic-schema.ts'
import type { Finding } from './finding.ts'
import { Hours, type HoursState } from './hours.ts'

/** Vehicles choose lanes in groups, not each by itself, so this is far less than what one would accept. */
const ALPHA = 1e-6
/** Lanes that are used less are not judged. */
const LEAST_SHARE = 0.03
/** Vehicles that an hour needs to tell shares. */
const HOUR_LEAST = 100
const MAX_LANES = 32
/** After a pause of the whole checkpoint nothing is known of its lanes. */
const PAUSE_MS = 10 * 60_000

export interface LaneState {
  lane: number
  share: HoursState
  isBlocked: boolean
}

interface Lane {
  lane: number
  share: Hours
  isBlocked: boolean
  hourCount: number
  /** Since its last vehicle, and how many have passed in other lanes. */
  emptySinceMs: number
  elsewhere: number
}

export class BlockedLanes {
  readonly #rule: BlockedLaneRuleConfig
  readonly #lanes = new Map<number, Lane>()
  #hourCount = 0
  #lastMs = Number.NEGATIVE_INFINITY

  constructor(rule: BlockedLaneRuleConfig, states: readonly LaneState[] = []) {
    this.#rule = rule
    for (const { lane, share, isBlocked } of states) this.#add(lane, new Hours(share), isBlocked)
  }

  get state(): LaneState[] {
    return [...this.#lanes.values()].map(({ lane, share, isBlocked }) => ({
      lane,
      share: share.state,
      isBlocked,
    }))
  }

  /** @param localMs the time of the passage at the station, as if it were UTC. */
  judge({ atMs, lane }: PassageRecord, localMs: number): Finding[] {
    const own = this.#lanes.get(lane) ?? this.#add(lane, new Hours(), false)
    if (!own) return []
    if (Math.abs(atMs - this.#lastMs) > PAUSE_MS) this.#forget(atMs)
    this.#lastMs = atMs
    this.#hourCount += 1
    own.hourCount += 1
    own.isBlocked = false
    own.elsewhere = 0
    own.emptySinceMs = atMs
    const found: Finding[] = []
    for (const other of this.#lanes.values()) {
      if (other === own) continue
      other.elsewhere += 1
      // A clock may be set back.
      other.emptySinceMs = Math.min(other.emptySinceMs, atMs)
      if (this.#isBlockedNow(other, atMs, localMs)) {
        other.isBlocked = true
        found.push(this.#finding(other, atMs, localMs))
      }
    }
    return found
  }

  /** The hour of the day has ended: shares in it become part of what is usual then. */
  endHour(hour: number): void {
    for (const each of this.#lanes.values()) {
      if (this.#hourCount >= HOUR_LEAST) each.share.learn(hour, each.hourCount / this.#hourCount)
      each.hourCount = 0
    }
    this.#hourCount = 0
  }

  #isBlockedNow(lane: Lane, atMs: number, localMs: number): boolean {
    if (lane.isBlocked || atMs - lane.emptySinceMs < this.#rule.minSeconds * 1000) return false
    const share = shareOf(lane, localMs)
    return share >= LEAST_SHARE && (1 - share) ** lane.elsewhere < ALPHA
  }

  #finding(lane: Lane, atMs: number, localMs: number): Finding {
    const seconds = Math.round((atMs - lane.emptySinceMs) / 1000)
    const percent = Math.round(100 * shareOf(lane, localMs))
    return {
      rule: 'lane-blocked',
      ruleName: `lane ${lane.lane}`,
      severity: this.#rule.severity,
      atMs,
      sentence: `no vehicle has passed in lane ${lane.lane} for ${seconds} s while ${lane.elsewhere} passed in the others; ${percent} % use it usually. It is blocked, or its detector does not work.`,
      facts: { lane: lane.lane, seconds, elsewhere: lane.elsewhere, usualPercent: percent },
    }
  }

  #forget(atMs: number): void {
    for (const lane of this.#lanes.values()) {
      lane.emptySinceMs = atMs
      lane.elsewhere = 0
    }
  }

  #add(lane: number, share: Hours, isBlocked: boolean): Lane | undefined {
    if (this.#lanes.size >= MAX_LANES) return undefined
    const added: Lane = {
      lane,
      share,
      isBlocked,
      hourCount: 0,
      emptySinceMs: this.#lastMs,
      elsewhere: 0,
    }
    this.#lanes.set(lane, added)
    return added
  }
}

function shareOf({ share }: Lane, localMs: number): number {
  return Math.min(share.usual(localMs) ?? 0, share.state.overall)
}
