/** The hours in which somebody works, in the time of China (UTC+8, no summer time). Pure. */
import type { AllowedHours } from '@patrolhub/protocol'

const UTC_OFFSET_MS = 8 * 3_600_000

/** True without hours, or if one of them holds this instant. `to` not after `from` runs into the next morning. */
export function isInHours(hours: AllowedHours | null, atMs: number): boolean {
  if (hours === null) return true
  const local = new Date(atMs + UTC_OFFSET_MS)
  const minute = local.getUTCHours() * 60 + local.getUTCMinutes()
  const today = local.getUTCDay() || 7
  const yesterday = today === 1 ? 7 : today - 1
  return hours.some(({ days, from, to }) => {
    const begin = minuteOf(from)
    const end = minuteOf(to)
    if (begin < end) return days.includes(today) && minute >= begin && minute < end
    return (days.includes(today) && minute >= begin) || (days.includes(yesterday) && minute < end)
  })
}

function minuteOf(clock: string): number {
  const [hour, minute] = clock.split(':')
  return Number(hour) * 60 + Number(minute)
}
