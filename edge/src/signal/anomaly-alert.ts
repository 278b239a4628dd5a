/** When a judged value becomes an alert, and what the alert says. Pure. */
import type { AlertRecord, ModelRef, ScoreRecord } from '@patrolhub/protocol'
import type { SignalRuleConfig } from '../config.ts'
import { deviceAlert } from '../device-alert.ts'
import type { SignalReason } from './measures.ts'

export interface SeriesSource {
  deviceId: string
  deviceKind: 'checkpoint' | 'sensor'
  deviceName: string
  region: string
  /** `flow`, `speed` or a sensor's quantity. */
  series: string
  unit: string
  rule: SignalRuleConfig
  resolution: number
  /** True for what cannot be negative: the expected band ends at 0. */
  isCount: boolean
}

export class AlertGate {
  #lastAlertAtMs = Number.NEGATIVE_INFINITY

  /**
   * True if the value calls for an alert: it is news whose score passes the threshold, the series is warmed up (`seen` values before
   * this one) and no alert was raised within the cool-down, before or after it: the times are the device's, whose clock
   * may have been wrong.
   */
  admits(news: number, seen: number, atMs: number, rule: SignalRuleConfig): boolean {
    if (news < rule.threshold || seen < rule.warmUpValues) return false
    if (Math.abs(atMs - this.#lastAlertAtMs) < rule.cooldownSeconds * 1000) return false
    this.#lastAlertAtMs = atMs
    return true
  }
}

/** What is said after the value and the band. */
const REASON_WORDS: Readonly<Record<SignalReason, string>> = {
  spike: 'a sudden value that the series has hardly ever had',
  'level-shift': 'the level has shifted',
  drift: 'the level has been drifting away',
  'flat-line': 'the value has stood still for longer than ever',
  'unusual-hour': 'unusual for this hour',
  unsteady: 'the values vary in another way than before',
  'unusual-course': 'the last values take a course that the series has not taken before',
  overdue: 'a usual high or low has not come',
  missing: 'values are missing before it',
}

export function anomalyAlert(
  source: SeriesSource,
  scored: ScoreRecord,
  why: SignalReason,
  model: ModelRef,
): AlertRecord {
  const { value, expectedLow, expectedHigh, score } = scored
  const side = value > expectedHigh ? 'above' : value < expectedLow ? 'below' : 'within'
  const unit = source.unit ? ` ${source.unit}` : ''
  const band = `${shown(expectedLow)} to ${shown(expectedHigh)}${unit}`
  return deviceAlert({
    atMs: scored.atMs,
    deviceId: source.deviceId,
    deviceKind: source.deviceKind,
    region: source.region,
    rule: 'signal-anomaly',
    ruleName: source.series,
    severity: source.rule.severity,
    score,
    reason: `${source.series} of ${source.deviceName} is ${shown(value)}${unit}, ${side} the expected ${band}: ${REASON_WORDS[why]}.`,
    facts: {
      series: source.series,
      value,
      unit: source.unit,
      expectedLow,
      expectedHigh,
      side,
      why,
      threshold: source.rule.threshold,
    },
    model,
  })
}

/** Three digits that say something. */
function shown(value: number): string {
  return String(Number(value.toPrecision(3)))
}
