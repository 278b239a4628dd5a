/**
 * How far the hub's clock is ahead of this box's, from questions and their answers: the hub read its clock somewhere
 * between both, so half the time between them is the error at most. The quickest answer of the last minutes counts.
 */
const KEEP_MS = 10 * 60_000

interface Sample {
  offsetMs: number
  roundTripMs: number
  /** Monotonic. */
  takenMs: number
}

export class HubClock {
  #samples: Sample[] = []

  /** `sentMs` and `receivedMs` on the monotonic clock, `receivedAtMs` and `hubAtMs` wall clock. */
  note(answer: { sentMs: number; receivedMs: number; receivedAtMs: number; hubAtMs: number }): void {
    const { sentMs, receivedMs, receivedAtMs, hubAtMs } = answer
    const roundTripMs = receivedMs - sentMs
    const offsetMs = hubAtMs - (receivedAtMs - roundTripMs / 2)
    const sample = { offsetMs, roundTripMs, takenMs: receivedMs }
    // A slower answer that is also older is never asked for again.
    this.#samples = this.#samples.filter(
      (known) => known.roundTripMs < roundTripMs && receivedMs - known.takenMs < KEEP_MS,
    )
    this.#samples.push(sample)
  }

  /** Positive: the hub is ahead. `undefined` without an answer in the last ten minutes. */
  offset(nowMs: number): { offsetMs: number; errorMs: number } | undefined {
    const best = this.#samples.find(({ takenMs }) => nowMs - takenMs < KEEP_MS)
    return best && { offsetMs: Math.round(best.offsetMs), errorMs: Math.ceil(best.roundTripMs / 2) }
  }
}
