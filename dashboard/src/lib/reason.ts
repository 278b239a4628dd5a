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
  const sentence = t(key, {
    series: seriesLabel(series, t),
    value: number(value) + unit,
    low: number(expectedLow),
    high: number(expectedHigh) + unit,
  })
  // Edges of earlier versions do not say why; a word that is not known here is left out.
  const why = typeof facts.why === 'string' ? t(`signalReason.${facts.why}`, { defaultValue: '' }) : ''
  return why === '' ? sentence : t('reason.because', { sentence, why })
}

type Sentence = (alert: Explained, t: TFunction) => string | undefined

/** Says that more than one object was meant, if so. */
function withOthers(sentence: string | undefined, { facts }: Explained, t: TFunction): string | undefined {
  const others = facts.objectsSinceLastAlert
  if (sentence === undefined || typeof others !== 'number' || others < 2) return sentence
  return t('reason.withOthers', { sentence, number: others })
}

/** A sentence about one object in a zone, and how long if its text says so. */
function aboutObject(key: string): Sentence {
  return (alert, t) => {
    const { className, secondsInZone: seconds = 0 } = alert.facts
    if (typeof className !== 'string' || typeof seconds !== 'number') return undefined
    const what = classLabel(className, t)
    return withOthers(t(key, { what, zone: alert.ruleName, seconds: number(seconds) }), alert, t)
  }
}

const lineCrossed: Sentence = (alert, t) => {
  const { className, direction } = alert.facts
  if (typeof className !== 'string' || (direction !== 'left' && direction !== 'right')) return undefined
  const what = classLabel(className, t)
  return withOthers(t(`reason.lineCrossed.${direction}`, { what, zone: alert.ruleName }), alert, t)
}

/** What is rare about an object, and how rare. */
const unusual: Sentence = ({ facts, ruleName }, t) => {
  const { className, factor, oneIn } = facts
  if (typeof className !== 'string' || typeof factor !== 'string' || typeof oneIn !== 'number')
    return undefined
  const what = classLabel(className, t)
  const sentence = t(`reason.rare.${factor}`, { what, zone: ruleName, defaultValue: '' })
  return sentence === '' ? undefined : t('reason.onceIn', { sentence, number: oneIn })
}

/** A sentence about how many objects there are. */
function aboutCount(key: string): Sentence {
  return ({ facts, ruleName }, t) => {
    const { count, minCount } = facts
    if (typeof count !== 'number' || typeof minCount !== 'number') return undefined
    return t(key, { number: count, limit: minCount, zone: ruleName })
  }
}

/** A sentence about how long something has lasted. */
function aboutTime(key: string): Sentence {
  return ({ facts, ruleName }, t) => {
    const { seconds } = facts
    return typeof seconds === 'number' ? t(key, { seconds: number(seconds), zone: ruleName }) : undefined
  }
}

function deviceSilent({ facts }: Explained, t: TFunction): string | undefined {
  const { state, silentSeconds } = facts
  if (typeof silentSeconds !== 'number') return undefined
  return t(state === 'back' ? 'reason.deviceBack' : 'reason.deviceSilent', { seconds: number(silentSeconds) })
}

/** A sentence about one lane, with others of its kind where there were more. */
function aboutLane(key: string, names: readonly string[]): Sentence {
  return (alert, t) => {
    const { facts } = alert
    if (typeof facts.lane !== 'number' || names.some((name) => facts[name] === undefined)) return undefined
    const values: Record<string, string> = { lane: String(facts.lane) }
    for (const name of names) {
      const value = facts[name]!
      values[name] = typeof value === 'number' ? number(value) : String(value)
    }
    return withOthers(t(key, values), alert, t)
  }
}

function queue({ facts }: Explained, t: TFunction): string | undefined {
  const { speedKmh, usualKmh, perMinute, seconds } = facts
  if (typeof speedKmh !== 'number' || typeof seconds !== 'number') return undefined
  const sentence = t('reason.queue', { speed: number(speedKmh), seconds: number(seconds), perMinute })
  return typeof usualKmh === 'number' ? t('reason.usually', { sentence, speed: number(usualKmh) }) : sentence
}

function clonedPlate({ facts }: Explained, t: TFunction): string | undefined {
  const { lane, otherName, distanceKm, seconds, order } = facts
  if (typeof distanceKm !== 'number' || typeof seconds !== 'number') return undefined
  const key = order === 'after' ? 'reason.clonedPlateAfter' : 'reason.clonedPlateBefore'
  return t(key, { lane, place: otherName, km: number(distanceKm), seconds: number(seconds) })
}

const WRONG_WAY = aboutObject('reason.wrongWay')
const WRONG_WAY_IN_LANE = aboutLane('reason.wrongWayInLane', ['direction'])

const SENTENCES: Readonly<Record<string, Sentence>> = {
  intrusion: (alert, t) => withOthers(intrusion(alert, t), alert, t),
  'line-crossing': lineCrossed,
  loitering: aboutObject('reason.loitering'),
  crowding: aboutCount('reason.crowding'),
  'wrong-way': (alert, t) => WRONG_WAY(alert, t) ?? WRONG_WAY_IN_LANE(alert, t),
  speeding: aboutLane('reason.speeding', ['speedKmh', 'limitKmh']),
  queue,
  'lane-blocked': aboutLane('reason.laneBlocked', ['seconds', 'elsewhere']),
  'stopped-vehicle': aboutObject('reason.stoppedVehicle'),
  running: aboutObject('reason.running'),
  scatter: aboutCount('reason.scatter'),
  unusual,
  'left-object': aboutTime('reason.leftObject'),
  'removed-object': aboutTime('reason.removedObject'),
  covered: aboutTime('reason.covered'),
  blurred: aboutTime('reason.blurred'),
  frozen: aboutTime('reason.frozen'),
  'moved-camera': aboutTime('reason.movedCamera'),
  'lost-signal': aboutTime('reason.lostSignal'),
  'signal-anomaly': signalAnomaly,
  'watch-list': ({ facts: { lane, why, instruction } }, t) => {
    if (typeof lane !== 'number' || typeof why !== 'string') return undefined
    const sentence = t('reason.watchList', { number: lane, why })
    return instruction ? t('reason.watchListDo', { sentence, what: String(instruction) }) : sentence
  },
  'cloned-plate': clonedPlate,
  'device-silent': deviceSilent,
}

/** One sentence for a person. Falls back on the edge's English when the rule or one of its facts is not known. */
export function reasonText(alert: Explained, t: TFunction): string {
  return SENTENCES[alert.rule]?.(alert, t) ?? alert.reason
}
