/** Names and places of what is measured of every value, and what each of them says when it is high. */

/** Measured of the value as it is, and again of the value compressed: see `SeriesModel`. */
export const VIEW_MEASURES = [
  'new-value',
  'new-pair',
  'new-four',
  'new-course',
  'step',
  'off-level',
  'level-short',
  'level-middle',
  'level-long',
  'extreme',
  'spread-short',
  'spread-middle',
  'off-day',
  'off-week',
] as const
export const SERIES_MEASURES = ['standstill', 'oddness', 'no-high', 'no-low', 'pause'] as const

export const MEASURE_COUNT = 2 * VIEW_MEASURES.length + SERIES_MEASURES.length

/** Why a value is odd. `missing`: values that should have come before it did not. */
export const SIGNAL_REASONS = [
  'spike',
  'level-shift',
  'drift',
  'flat-line',
  'unusual-hour',
  'unsteady',
  'unusual-course',
  'overdue',
  'missing',
] as const
export type SignalReason = (typeof SIGNAL_REASONS)[number]

const REASONS: Readonly<
  Record<(typeof VIEW_MEASURES)[number] | (typeof SERIES_MEASURES)[number], SignalReason>
> = {
  'new-value': 'spike',
  'new-pair': 'spike',
  'new-four': 'unusual-course',
  'new-course': 'unusual-course',
  step: 'spike',
  'off-level': 'spike',
  'level-short': 'level-shift',
  'level-middle': 'level-shift',
  'level-long': 'drift',
  extreme: 'spike',
  'spread-short': 'unsteady',
  'spread-middle': 'unsteady',
  'off-day': 'unusual-hour',
  'off-week': 'unusual-hour',
  standstill: 'flat-line',
  oddness: 'unsteady',
  'no-high': 'overdue',
  'no-low': 'overdue',
  pause: 'missing',
}

/** Reason of each measure, in the order of the model's input. */
export const REASON_OF_MEASURE: readonly SignalReason[] = [
  ...VIEW_MEASURES,
  ...VIEW_MEASURES,
  ...SERIES_MEASURES,
].map((name) => REASONS[name])
