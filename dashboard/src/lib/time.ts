/** Times for people. All functions are given the instant they compare with; none reads the clock. */

export type AgeUnit = 'seconds' | 'minutes' | 'hours' | 'days'
export interface Age {
  value: number
  unit: AgeUnit
}

/** How long ago, in one unit, rounded down; a clock that is a little ahead gives 0 seconds. */
export function ageOf(atMs: number, nowMs: number): Age {
  const seconds = Math.max(0, Math.floor((nowMs - atMs) / 1000))
  if (seconds < 60) return { value: seconds, unit: 'seconds' }
  if (seconds < 3600) return { value: Math.floor(seconds / 60), unit: 'minutes' }
  if (seconds < 48 * 3600) return { value: Math.floor(seconds / 3600), unit: 'hours' }
  return { value: Math.floor(seconds / 86_400), unit: 'days' }
}

/** Time left as `m:ss`, or `h:mm:ss` from an hour on; never below `0:00`. A begun second counts as whole. */
export function countdown(untilMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.ceil((untilMs - nowMs) / 1000))
  const two = (value: number) => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

const formats = new Map<string, Intl.DateTimeFormat>()

function formatted(atMs: number, language: string, options: Intl.DateTimeFormatOptions): string {
  const key = `${language} ${JSON.stringify(options)}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.DateTimeFormat(language, { hourCycle: 'h23', ...options })
    formats.set(key, format)
  }
  return format.format(atMs)
}

const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const

/** `14:03:09` in the viewer's zone. */
export const clockTime = (atMs: number, language: string): string => formatted(atMs, language, CLOCK)

/** Day and time, e.g. `22 Nov, 14:03:09`. */
export const dayTime = (atMs: number, language: string): string =>
  formatted(atMs, language, { month: 'short', day: 'numeric', ...CLOCK })

/** `2026-11-22 14:03:09` in the viewer's zone, the same in every language: for records and marks that are kept. */
export const fullTime = (atMs: number): string =>
  // Swedish writes dates as ISO 8601 does.
  formatted(atMs, 'sv-SE', { year: 'numeric', month: '2-digit', day: '2-digit', ...CLOCK })

/** Weekday and date for the clock of the control room. */
export const calendarDay = (atMs: number, language: string): string =>
  formatted(atMs, language, { weekday: 'short', month: 'short', day: 'numeric' })
