/** Waiting between attempts: doubles up to a bound, with jitter so that many devices do not come back in step. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface BackoffOptions {
  minMs: number
  maxMs: number
  /** 0..1; injected by tests. */
  random?: () => number
}

export class Backoff {
  readonly #minMs: number
  readonly #maxMs: number
  readonly #random: () => number
  #attempt = 0

  constructor(options: BackoffOptions) {
    this.#minMs = options.minMs
    this.#maxMs = options.maxMs
    this.#random = options.random ?? Math.random
  }

  /** The next wait: between half and the whole of `min(maxMs, minMs * 2^attempt)`. */
  nextMs(): number {
    const ceilingMs = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#attempt, 30))
    this.#attempt += 1
    return Math.round(ceilingMs * (0.5 + this.#random() / 2))
  }

  /** Call after a success: the next wait is short again. */
  reset(): void {
    this.#attempt = 0
  }

  /** Waits for `nextMs()`; resolves at once, with false, when the signal aborts. */
  async wait(signal: AbortSignal): Promise<boolean> {
    return pause(this.nextMs(), signal)
  }
}

/** Waits; resolves to true after the time, to false at once when the signal aborts. Never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal })
    return true
  } catch {
    // The only rejection of a timer is its abort.
    return false
  }
}
