/** How long points are kept, and the jobs that sum them up and delete them. */
import type { HubConfig } from '../config.ts'
import type { RawFrom, TimeSeries } from '../ports/timeseries.ts'
import type { Job } from '../timers/timers.ts'

export type PointKeeping = Pick<
  HubConfig,
  | 'keepPassagesDays'
  | 'keepReadingsDays'
  | 'keepScoresDays'
  | 'keepHealthDays'
  | 'keepMinutesDays'
  | 'keepHoursDays'
>

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

export function rawFromOf(keeping: PointKeeping, nowMs: number): RawFrom {
  const from = (days: number) => nowMs - days * DAY_MS
  return {
    passage: from(keeping.keepPassagesDays),
    reading: from(keeping.keepReadingsDays),
    score: from(keeping.keepScoresDays),
    health: from(keeping.keepHealthDays),
  }
}

/** `isShared`: several hubs keep their points in one store, so one of them does it for all. */
export function pointJobs(timeseries: TimeSeries, keeping: PointKeeping, isShared: boolean): Job[] {
  return [
    {
      name: 'roll-ups',
      everyMs: MINUTE_MS,
      isOwn: !isShared,
      run: async (nowMs) => {
        await timeseries.runRollups(nowMs)
      },
    },
    {
      name: 'points',
      everyMs: HOUR_MS,
      isOwn: !isShared,
      run: (nowMs) =>
        timeseries.runRetention(rawFromOf(keeping, nowMs), {
          minute: nowMs - keeping.keepMinutesDays * DAY_MS,
          hour: nowMs - keeping.keepHoursDays * DAY_MS,
        }),
    },
  ]
}
