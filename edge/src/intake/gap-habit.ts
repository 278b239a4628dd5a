/**
 * How long the gaps between a device's messages usually are, hour by hour of the day (UTC: only that it is the same
 * hour matters). Pure. For each hour the longest gap is kept and slowly forgotten, so that a checkpoint that is quiet at
 * night is not missed at night, and one that is busy at eight is missed within minutes.
 */
const HOURS = 24
/** What one more gap leaves of the longest: after some 500 it counts for a third. */
const KEPT = 1 - 1 / 500
/** An outage must not become the habit at once. */
const MAX_GROWTH = 2

export interface GapHabitState {
  /** Longest usual gap by hour, ms; 0 for an hour in which nothing was learned. */
  hours: number[]
}

export class GapHabit {
  #hours: number[] = Array<number>(HOURS).fill(0)

  static from(state: GapHabitState): GapHabit {
    const habit = new GapHabit()
    habit.#hours = Array.from({ length: HOURS }, (_, hour) => {
      const gapMs = Number(state.hours[hour])
      return Number.isFinite(gapMs) && gapMs > 0 ? gapMs : 0
    })
    return habit
  }

  state(): GapHabitState {
    return { hours: this.#hours.map(Math.round) }
  }

  learn(gapMs: number, hour: number): void {
    const before = this.#hours[hour]!
    // Measured by the longest of any hour: a quiet hour of a busy device must not take days to be learned.
    const known = gapMs <= before ? gapMs : Math.max(...this.#hours)
    const bounded = known === 0 ? gapMs : Math.min(gapMs, Math.max(known * MAX_GROWTH, 1000))
    this.#hours[hour] = Math.max(bounded, before * KEPT)
  }

  /** The longest usual gap in this hour or one beside it, ms; of the whole day if nothing is known of them; else 0. */
  usualMs(hour: number): number {
    const near = [hour + HOURS - 1, hour, hour + 1].map((each) => this.#hours[each % HOURS]!)
    return Math.max(...near) || Math.max(...this.#hours)
  }
}
