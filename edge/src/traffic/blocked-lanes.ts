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
/** Traffic may come in groups that take one lane, as from a ferry: a run has to be longer than those of late by this factor. */
const BEYOND_LONGEST = 1.5
/** By the hour: what was once blocked is not usual for long. */
const FADING = 0.9
/** After a pause of the whole checkpoint nothing is known of its lanes. */
const PAUSE_MS = 10 * 60_000

export interface LaneState {
  lane: number
  share: HoursState
  longestRun: number
  isBlocked: boolean
}

interface Lane {
  lane: number
  share: Hours
  /** Of vehicles in other lanes between two in this one: the longest of late, which fades by the hour. */
  longestRun: number
  isBlocked: boolean
  /** Length of the run that was told of last. */
  toldAt: number
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

  /** @param lanes number of lanes: 1 to this. A lane of another number, or 0 for not told, is none. */
  constructor(rule: BlockedLaneRuleConfig, lanes: number, states: readonly LaneState[] = []) {
    this.#rule = rule
    for (let lane = 1; lane <= lanes; lane += 1) {
      const state = states.find((each) => each.lane === lane)
      this.#lanes.set(lane, {
        lane,
        share: new Hours(state?.share),
        longestRun: state?.longestRun ?? 0,
        isBlocked: state?.isBlocked ?? false,
        toldAt: 0,
        hourCount: 0,
        emptySinceMs: Number.NEGATIVE_INFINITY,
        elsewhere: 0,
      })
    }
  }

  get state(): LaneState[] {
    return [...this.#lanes.values()].map(({ lane, share, longestRun, isBlocked }) => ({
      lane,
      share: share.state,
      longestRun,
      isBlocked,
    }))
  }

  /** @param localMs the time of the passage at the station, as if it were UTC. */
  judge({ atMs, lane }: PassageRecord, localMs: number): Finding[] {
    const own = this.#lanes.get(lane)
    if (!own) return []
    if (Math.abs(atMs - this.#lastMs) > PAUSE_MS) this.#forget(atMs)
    this.#lastMs = atMs
    this.#hourCount += 1
    own.hourCount += 1
    // One that was told of was hardly usual: it raises the limit, no more.
    const run = own.isBlocked ? Math.min(own.elsewhere, BEYOND_LONGEST * own.toldAt) : own.elsewhere
    own.longestRun = Math.max(own.longestRun, run)
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
        other.toldAt = other.elsewhere
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
      each.longestRun *= FADING
    }
    this.#hourCount = 0
  }

  #isBlockedNow(lane: Lane, atMs: number, localMs: number): boolean {
    if (lane.isBlocked || atMs - lane.emptySinceMs < this.#rule.minSeconds * 1000) return false
    const share = shareOf(lane, localMs)
    if (share < LEAST_SHARE || (1 - share) ** lane.elsewhere >= ALPHA) return false
    return lane.elsewhere > BEYOND_LONGEST * lane.longestRun
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
}

function shareOf({ share }: Lane, localMs: number): number {
  return Math.min(share.usual(localMs) ?? 0, share.state.overall)
}
