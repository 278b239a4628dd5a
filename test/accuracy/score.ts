/** Holds alerts against what a person saw. */
import type { AnnotatedClip } from './annotations.ts'

export interface RaisedAlert {
  rule: string
  /** Of the clip. */
  atSeconds: number
}

export interface RuleScore {
  events: number
  /** Events with an alert in their time. */
  found: number
  /** Further alerts in the time of an event that has one: the same thing said again. */
  repeats: number
  /** Alerts at times in which nothing of the kind happens. */
  wrong: number
}

/** An alert is told of when the minimum stay is over; the annotation is right to a second or so. */
const EARLY_SECONDS = 1
const LATE_SECONDS = 2

/** By name of the rule; every rule of the clip is in it. */
export function scoreClip(annotated: AnnotatedClip, alerts: readonly RaisedAlert[]): Map<string, RuleScore> {
  return new Map(
    annotated.rules.map(({ name }) => {
      const events = annotated.events.filter(({ rule }) => rule === name)
      const unsure = annotated.unsure.filter(({ rule }) => rule === name)
      const score: RuleScore = { events: events.length, found: 0, repeats: 0, wrong: 0 }
      const found = new Set<unknown>()
      for (const { atSeconds } of alerts.filter(({ rule }) => rule === name)) {
        const fits = events.filter(
          ({ fromSeconds, toSeconds }) =>
            atSeconds >= fromSeconds - EARLY_SECONDS && atSeconds <= toSeconds + LATE_SECONDS,
        )
        const open = fits.find((event) => !found.has(event))
        if (open) found.add(open)
        else if (fits.length > 0) score.repeats += 1
        else if (!unsure.some((span) => atSeconds >= span.fromSeconds && atSeconds <= span.toSeconds)) {
          score.wrong += 1
        }
      }
      score.found = found.size
      return [name, score]
    }),
  )
}

/** Seconds of the clip in which, for this rule, nothing happens. */
export function quietSeconds(annotated: AnnotatedClip, rule: string): number {
  const spans = [...annotated.events, ...annotated.unsure]
    .filter((span) => span.rule === rule)
    .map(({ fromSeconds, toSeconds }) => [
      Math.max(0, fromSeconds - EARLY_SECONDS),
      Math.min(annotated.seconds, toSeconds + LATE_SECONDS),
    ])
    .sort((a, b) => a[0]! - b[0]!)
  let busy = 0
  let upTo = 0
  for (const [from, to] of spans) {
    busy += Math.max(0, to! - Math.max(from!, upTo))
    upTo = Math.max(upTo, to!)
  }
  return annotated.seconds - busy
}
