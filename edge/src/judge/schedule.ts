/** Says whether a rule counts at an instant. Pure apart from the time zone data that comes with Node. */
import type { Schedule } from '../config/rules.ts'

const DAY_MINUTES = 24 * 60

interface Window {
  days: ReadonlySet<string>
  fromMinute: number
  toMinute: number
  format: Intl.DateTimeFormat
}

/** The windows of one rule; without any it always counts. */
export class ScheduleClock {
  readonly #windows: readonly Window[]
  /** Time zones are slow to ask, and no window begins inside a minute. */
  #minute = Number.NaN
  #isActive = true

  /** @throws RangeError for a time zone that is not known; the configuration has checked it before. */
  constructor(schedule: readonly Schedule[] = []) {
    this.#windows = schedule.map(({ days, from, to, timeZone }) => ({
      days: new Set(days),
      fromMinute: minuteOf(from),
      toMinute: minuteOf(to),
      format: formatFor(timeZone),
    }))
  }

  /** `atMs` is wall clock. */
  isActive(atMs: number): boolean {
    if (this.#windows.length === 0) return true
    const minute = Math.floor(atMs / 60_000)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#isActive = this.#windows.some((window) => contains(window, minute * 60_000))
    }
    return this.#isActive
  }
}

/** @throws RangeError if the zone is not known. */
export function formatFor(timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
}

function contains({ days, fromMinute, toMinute, format }: Window, atMs: number): boolean {
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]))
  const minute = Number(parts.hour) * 60 + Number(parts.minute)
  const today = String(parts.weekday).toLowerCase()
  if (fromMinute < toMinute) return days.has(today) && minute >= fromMinute && minute < toMinute
  // Past midnight: the evening of today, or the morning after yesterday's evening.
  return (days.has(today) && minute >= fromMinute) || (days.has(dayBefore(today)) && minute < toMinute)
}

const ORDER = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const dayBefore = (day: string): string => ORDER[(ORDER.indexOf(day) + 6) % 7]!

function minuteOf(text: string): number {
  const [hours, minutes] = text.split(':').map(Number)
  return Math.min(DAY_MINUTES, hours! * 60 + minutes!)
}
