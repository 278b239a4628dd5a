/** Vehicles against the direction of their lane. A device that does not tell the direction is not judged. */
import type { PassageRecord } from '@patrolhub/protocol'
import type { WrongWayRuleConfig } from '../config/traffic-schema.ts'
import { Cooldown } from './cooldown.ts'
import type { Finding } from './finding.ts'

export class WrongWay {
  readonly #severity: WrongWayRuleConfig['severity']
  readonly #wrong: ReadonlyMap<number, ReadonlySet<string>>
  readonly #cooldown: Cooldown

  constructor({ severity, cooldownSeconds, lanes }: WrongWayRuleConfig) {
    this.#severity = severity
    this.#wrong = new Map(
      lanes.map(({ lane, wrongDirections }) => [
        lane,
        new Set(wrongDirections.map((each) => each.toLowerCase())),
      ]),
    )
    this.#cooldown = new Cooldown(cooldownSeconds)
  }

  judge({ atMs, lane, direction }: PassageRecord): Finding | undefined {
    if (direction === undefined || !this.#wrong.get(lane)?.has(direction.toLowerCase())) return undefined
    const count = this.#cooldown.admit(atMs)
    if (count === 0) return undefined
    const others = count > 1 ? ` ${count - 1} more did so since the last alert.` : ''
    return {
      rule: 'wrong-way',
      ruleName: `lane ${lane}`,
      severity: this.#severity,
      atMs,
      sentence: `a vehicle passed in lane ${lane} the wrong way (${direction}).${others}`,
      facts: { lane, direction, objectsSinceLastAlert: count },
    }
  }
}
