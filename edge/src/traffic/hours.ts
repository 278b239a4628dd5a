/**
 * What is usual at each hour of the day: a number an hour, followed slowly over the days. An hour that has not been seen
 * often enough answers with what is usual at any hour.
 */
const HOURS = 24
const HOUR_MS = 3_600_000
/** An hour's traffic may begin so much earlier or last so much longer than the hour. */
const AROUND_MS = 15 * 60_000
/** So many days have to be known before an hour speaks for itself. */
const OWN_DAYS = 3
/** The newest day counts as one of so many. */
const MEMORY = 5

export interface HoursState {
  values: number[]
  counts: number[]
  overall: number
  overallCount: number
}

export class Hours {
  readonly state: HoursState

  constructor(state: HoursState = emptyState()) {
    this.state = state
  }

  /**
   * The lowest that is usual about this time; `undefined` before the first hour.
   * @param localMs time at the station, as if it were UTC.
   */
  usual(localMs: number): number | undefined {
    if (this.state.overallCount === 0) return undefined
    return Math.min(
      this.#ofHour(localMs - AROUND_MS),
      this.#ofHour(localMs),
      this.#ofHour(localMs + AROUND_MS),
    )
  }

  /** @param hour of the day, 0 to 23. */
  learn(hour: number, value: number): void {
    const { state } = this
    state.counts[hour]! += 1
    state.values[hour]! += (value - state.values[hour]!) / Math.min(MEMORY, state.counts[hour]!)
    state.overallCount += 1
    state.overall += (value - state.overall) / Math.min(HOURS, state.overallCount)
  }

  #ofHour(localMs: number): number {
    const { values, counts, overall } = this.state
    const hour = hourOf(localMs)
    return counts[hour]! >= OWN_DAYS ? values[hour]! : overall
  }
}

/** Hour of the day, 0 to 23, of a time at the station. */
export function hourOf(localMs: number): number {
  return Math.floor(localMs / HOUR_MS) % HOURS
}

function emptyState(): HoursState {
  return {
    values: Array<number>(HOURS).fill(0),
    counts: Array<number>(HOURS).fill(0),
    overall: 0,
    overallCount: 0,
  }
}
