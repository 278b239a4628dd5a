/** How long points are kept, and the jobs that sum them up and delete them. */
import type { Logger } from 'pino'
import type { HubConfig } from '../config.ts'
import type { KeptPassage } from '../ports/plate-store.ts'
import type { RawFrom, TimeSeries } from '../ports/timeseries.ts'
import type { Job } from '../timers/timers.ts'

export type PointKeeping = Pick<
  HubConfig,
  | 'keepPassagesDays'
  | 'keepPlatesDays'
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

export interface PointUpkeepDeps {
  timeseries: TimeSeries
  keeping: PointKeeping
  /** Several hubs keep their points in one store, so one of them does it for all. */
  isShared: boolean
  /** Passages from before a time that incidents keep. */
  keptPassages(beforeMs: number): Promise<KeptPassage[]>
  log: Logger
}

export function pointJobs({ timeseries, keeping, isShared, keptPassages, log }: PointUpkeepDeps): Job[] {
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
      run: async (nowMs) => {
        const rawFrom = rawFromOf(keeping, nowMs)
        const platesFromMs = nowMs - keeping.keepPlatesDays * DAY_MS
        const kept = await keptPassages(Math.max(rawFrom.passage, platesFromMs))
        await timeseries.runRetention(
          rawFrom,
          { minute: nowMs - keeping.keepMinutesDays * DAY_MS, hour: nowMs - keeping.keepHoursDays * DAY_MS },
          kept,
        )
        const dropped = await timeseries.plates.drop(platesFromMs, kept)
        if (dropped > 0) log.info({ dropped }, 'plates have had their time')
      },
    },
  ]
}
