/** When a judged value becomes an alert, and what the alert says. Pure. */
import { randomUUID } from 'node:crypto'
import type { AlertRecord, ModelRef, ScoreRecord } from '@patrolhub/protocol'
import type { SignalRuleConfig } from '../config.ts'

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
   * True if the value calls for an alert: its score passes the threshold, the series is warmed up (`seen` values before
   * this one) and no alert was raised within the cool-down, before or after it: the times are the device's, whose clock
   * may have been wrong.
   */
  admits(score: number, seen: number, atMs: number, rule: SignalRuleConfig): boolean {
    if (score < rule.threshold || seen < rule.warmUpValues) return false
    if (Math.abs(atMs - this.#lastAlertAtMs) < rule.cooldownSeconds * 1000) return false
    this.#lastAlertAtMs = atMs
    return true
  }
}

export function anomalyAlert(source: SeriesSource, scored: ScoreRecord, model: ModelRef): AlertRecord {
  const { value, expectedLow, expectedHigh, score } = scored
  const side = value > expectedHigh ? 'above' : value < expectedLow ? 'below' : 'within'
  const unit = source.unit ? ` ${source.unit}` : ''
  const band = `${shown(expectedLow)} to ${shown(expectedHigh)}${unit}`
  return {
    kind: 'alert',
    alertId: randomUUID(),
    atMs: scored.atMs,
    deviceId: source.deviceId,
    deviceKind: source.deviceKind,
    region: source.region,
    rule: 'signal-anomaly',
    ruleName: source.series,
    severity: source.rule.severity,
    score,
    reason: `${source.series} of ${source.deviceName} is ${shown(value)}${unit}, ${side} the expected ${band}.`,
    facts: {
      series: source.series,
      value,
      unit: source.unit,
      expectedLow,
      expectedHigh,
      side,
      threshold: source.rule.threshold,
    },
    objects: [],
    trackPath: [],
    model,
    evidenceIds: [],
  }
}

/** Three digits that say something. */
function shown(value: number): string {
  return String(Number(value.toPrecision(3)))
}
