/**
 * Says why there is an alert, in the reader's language. The edge sends a sentence in English and, beside it, the rule
 * and the facts the sentence is made of; with these the sentence is made again here. A rule that this screen does not
 * know yet keeps the edge's own sentence.
 */
import type { Alert } from '@patrolhub/protocol'
import type { TFunction } from 'i18next'

type Explained = Pick<Alert, 'rule' | 'ruleName' | 'facts' | 'reason'>

/** Name of a rule, e.g. "Intrusion"; an unknown one by its code. */
export function ruleLabel(rule: string, t: TFunction): string {
  return t(`rule.${rule}`, { defaultValue: rule })
}

/** A detector's class, e.g. "person". */
export function classLabel(className: string, t: TFunction): string {
  return t(`class.${className}`, { defaultValue: className })
}

/** A measured quantity, e.g. "water level". */
export function seriesLabel(series: string, t: TFunction): string {
  return t(`series.${series}`, { defaultValue: series.replaceAll('_', ' ') })
}

/** A unit: symbols (km/h, ppm) are the same everywhere, words are not. */
export function unitLabel(unit: string, t: TFunction): string {
  return unit === 'vehicles/min' ? t('unit.flow') : unit
}

const number = (value: number): string => String(Math.round(value * 10) / 10)

function intrusion({ facts, ruleName }: Explained, t: TFunction): string | undefined {
  const { className, secondsInZone: seconds } = facts
  if (typeof className !== 'string') return undefined
  const zone = ruleName
  const what = classLabel(className, t)
  return typeof seconds === 'number' && seconds > 0
    ? t('reason.intrusionFor', { what, zone, seconds: number(seconds) })
    : t('reason.intrusion', { what, zone })
}

function signalAnomaly({ facts }: Explained, t: TFunction): string | undefined {
  const { series, value, expectedLow, expectedHigh } = facts
  if (typeof series !== 'string' || typeof value !== 'number') return undefined
  if (typeof expectedLow !== 'number' || typeof expectedHigh !== 'number') return undefined
  const key = value > expectedHigh ? 'reason.above' : value < expectedLow ? 'reason.below' : 'reason.unusual'
  const unit = typeof facts.unit === 'string' && facts.unit !== '' ? ` ${unitLabel(facts.unit, t)}` : ''
  return t(key, {
    series: seriesLabel(series, t),
    value: number(value) + unit,
    low: number(expectedLow),
    high: number(expectedHigh) + unit,
  })
}

const SENTENCES: Readonly<Record<string, (alert: Explained, t: TFunction) => string | undefined>> = {
  intrusion,
  'signal-anomaly': signalAnomaly,
}

/** One sentence for a person. Falls back on the edge's English when the rule or one of its facts is not known. */
export function reasonText(alert: Explained, t: TFunction): string {
  return SENTENCES[alert.rule]?.(alert, t) ?? alert.reason
}
