/** Vehicles above the limit of their lane and class. */
import type { PassageRecord } from '@patrolhub/protocol'
import type { SpeedingRuleConfig, SpeedLimit } from '../config/traffic-schema.ts'
import { Cooldown } from './cooldown.ts'
import type { Finding } from './finding.ts'

export class Speeding {
  readonly #rule: SpeedingRuleConfig
  readonly #any: Cooldown
  readonly #gross: Cooldown

  constructor(rule: SpeedingRuleConfig) {
    this.#rule = rule
    this.#any = new Cooldown(rule.cooldownSeconds)
    this.#gross = new Cooldown(rule.cooldownSeconds)
  }

  judge({ atMs, lane, speedKmh, vehicleClass }: PassageRecord): Finding | undefined {
    if (speedKmh === undefined) return undefined
    const { limits, tolerancePercent, grossPercent, severity, grossSeverity } = this.#rule
    const limitKmh = limits.find((limit) => fits(limit, lane, vehicleClass))?.limitKmh
    if (limitKmh === undefined || !isAbove(speedKmh, limitKmh, tolerancePercent)) return undefined
    const isGross = isAbove(speedKmh, limitKmh, grossPercent)
    // One that is a danger is told of though others have just been told of.
    const count = this.#any.admit(atMs, isGross && this.#gross.admit(atMs) > 0)
    if (count === 0) return undefined
    const others = count > 1 ? ` ${count - 1} more were too fast since the last alert.` : ''
    const what = vehicleClass === undefined ? 'a vehicle' : `a vehicle of class ${vehicleClass}`
    return {
      rule: 'speeding',
      ruleName: `${limitKmh} km/h`,
      severity: isGross ? grossSeverity : severity,
      atMs,
      sentence: `${what} passed in lane ${lane} at ${Math.round(speedKmh)} km/h; the limit is ${limitKmh} km/h.${others}`,
      facts: {
        lane,
        speedKmh,
        limitKmh,
        objectsSinceLastAlert: count,
        ...(vehicleClass === undefined ? {} : { vehicleClass }),
      },
    }
  }
}

/** Without the rounding of a division: exactly the limit and its tolerance is not above it. */
function isAbove(speedKmh: number, limitKmh: number, percent: number): boolean {
  return speedKmh * 100 > limitKmh * (100 + percent)
}

function fits({ lanes, classes }: SpeedLimit, lane: number, vehicleClass: string | undefined): boolean {
  if (lanes && !lanes.includes(lane)) return false
  if (!classes) return true
  const own = vehicleClass?.toUpperCase()
  return own !== undefined && classes.some((begin) => own.startsWith(begin.toUpperCase()))
}
