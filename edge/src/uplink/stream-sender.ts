/**
 * One stream of the cursor protocol on the edge's side, as a pure state machine: it is told what happens and the time,
 * and says what to do next. It never reads a clock and never does I/O.
 *
 * Invariants: batches in flight are contiguous and begin at `acked + 1` or before; the next batch begins right after
 * the last in flight; only a cursor of the hub moves `acked`. So whatever is lost on the way, in either direction, is
 * sent again from the hub's cursor, and nothing is truncated that the hub has not committed.
 */
import type { Cursor } from '@patrolhub/protocol'
import type { StreamBounds } from '../journal/journal.ts'

export interface SenderTiming {
  /** Batches that may wait for their answer at the same time. */
  maxInFlight: number
  /** How long a batch that is not full waits for more records; 0: not at all. */
  lingerMs: number
  /** A batch of this many records does not wait. */
  fullBatchRecords: number
  /** An answer that does not come in this time makes the edge ask with a hello; doubles up to `maxAnswerMs`. */
  answerMs: number
  maxAnswerMs: number
  /** Least time between two hellos of a connection: a hub that refuses everything is not asked without a pause. */
  minHelloMs: number
}

export type SenderStep =
  /** Read the journal from this number on, publish it, then call `sent`. */
  | { kind: 'send'; fromSeq: number }
  /** Say hello, then call `helloSent`: the hub answers with its cursor. */
  | { kind: 'hello' }
  /** The hub knows numbers that this journal has not given: begin a new epoch, then call `connected`. */
  | { kind: 'renew-epoch' }
  /** Nothing to do before this time, or before something happens. */
  | { kind: 'wait'; untilMs: number }

interface InFlight {
  firstSeq: number
  lastSeq: number
  sentAtMs: number
}

type Phase =
  | { name: 'offline' }
  /** Waits for the answer to a hello; nothing is in flight. */
  | { name: 'asking'; askedAtMs?: number }
  | { name: 'streaming' }
  | { name: 'ahead' }

const NEVER = Number.POSITIVE_INFINITY

export class StreamSender {
  readonly #timing: SenderTiming
  #phase: Phase = { name: 'offline' }
  #acked = 0
  #inFlight: InFlight[] = []
  #lingerFromMs: number | undefined
  #answerMs: number
  #unanswered = 0
  #lastHelloAtMs = Number.NEGATIVE_INFINITY
  #generation = 0
  /** A cursor below `acked` that a second hello has yet to confirm. */
  #doubtedUpTo: number | undefined

  constructor(timing: SenderTiming) {
    this.#timing = timing
    this.#answerMs = timing.answerMs
  }

  /** Changes whenever what is to be sent next may have jumped: a read that began before is out of date. */
  get generation(): number {
    return this.#generation
  }

  /** Hellos in a row that the hub has not answered. */
  get unansweredHellos(): number {
    return this.#unanswered
  }

  /** A connection is up (again): ask for the cursor before anything is sent. */
  connected(): void {
    this.#unanswered = 0
    this.#lastHelloAtMs = Number.NEGATIVE_INFINITY
    this.#answerMs = this.#timing.answerMs
    this.#ask()
  }

  /** The connection is gone, and with it what was in flight. */
  disconnected(): void {
    this.#phase = { name: 'offline' }
    this.#forget()
  }

  helloSent(nowMs: number): void {
    this.#lastHelloAtMs = nowMs
    if (this.#phase.name !== 'asking') return
    this.#phase = { name: 'asking', askedAtMs: nowMs }
    this.#unanswered += 1
  }

  /** A batch with these numbers has been published. One that only declares a loss ends before it begins. */
  sent(firstSeq: number, lastSeq: number, nowMs: number): void {
    this.#inFlight.push({ firstSeq, lastSeq, sentAtMs: nowMs })
    this.#lingerFromMs = undefined
  }

  /**
   * Takes an answer of the hub. Cursors of other epochs are stale and change nothing, unless they say that the hub
   * does not know this one.
   * @returns the number up to which the journal may truncate, if it has grown.
   */
  answered(cursor: Cursor, epoch: string, bounds: StreamBounds): number | undefined {
    if (this.#phase.name === 'offline' || this.#phase.name === 'ahead') return undefined
    if (cursor.reason === 'epoch') {
      if (this.#phase.name === 'streaming') this.#ask()
      return undefined
    }
    if (cursor.epoch !== epoch) return undefined
    if (cursor.upTo > bounds.lastSeq) {
      this.#phase = { name: 'ahead' }
      this.#forget()
      return undefined
    }
    return cursor.reason === 'committed' ? this.#committed(cursor.upTo) : this.#restarted(cursor)
  }

  /** What to do now. `bounds` is what the journal holds. */
  next(nowMs: number, bounds: StreamBounds): SenderStep {
    switch (this.#phase.name) {
      case 'offline':
        return { kind: 'wait', untilMs: NEVER }
      case 'ahead':
        return { kind: 'renew-epoch' }
      case 'asking':
        return this.#nextWhileAsking(this.#phase.askedAtMs, nowMs)
      case 'streaming':
        return this.#nextWhileStreaming(nowMs, bounds)
    }
  }

  #nextWhileAsking(askedAtMs: number | undefined, nowMs: number): SenderStep {
    if (askedAtMs === undefined) {
      const earliestMs = this.#lastHelloAtMs + this.#timing.minHelloMs
      return nowMs < earliestMs ? { kind: 'wait', untilMs: earliestMs } : { kind: 'hello' }
    }
    const untilMs = askedAtMs + this.#answerMs
    if (nowMs < untilMs) return { kind: 'wait', untilMs }
    this.#slowDown()
    return { kind: 'hello' }
  }

  #nextWhileStreaming(nowMs: number, bounds: StreamBounds): SenderStep {
    const oldest = this.#inFlight[0]
    const timeoutAtMs = oldest ? oldest.sentAtMs + this.#answerMs : NEVER
    if (nowMs >= timeoutAtMs) {
      this.#slowDown()
      this.#ask()
      return this.#nextWhileAsking(undefined, nowMs)
    }
    const nextSeq = (this.#inFlight.at(-1)?.lastSeq ?? this.#acked) + 1
    const waiting = bounds.lastSeq - nextSeq + 1
    if (waiting <= 0 || this.#inFlight.length >= this.#timing.maxInFlight) {
      return { kind: 'wait', untilMs: timeoutAtMs }
    }
    this.#lingerFromMs ??= nowMs
    const lingerUntilMs = this.#lingerFromMs + this.#timing.lingerMs
    if (waiting < this.#timing.fullBatchRecords && nowMs < lingerUntilMs) {
      return { kind: 'wait', untilMs: Math.min(lingerUntilMs, timeoutAtMs) }
    }
    return { kind: 'send', fromSeq: nextSeq }
  }

  #committed(upTo: number): number | undefined {
    if (upTo <= this.#acked) return undefined
    this.#progress(upTo)
    return upTo
  }

  /** `hello` or `gap`: where the hub wants the stream to go on. */
  #restarted({ upTo, reason }: Cursor): number | undefined {
    const wasAsking = this.#phase.name === 'asking'
    // While batches are under way a hello is answered with a cursor that may be older than their answers: harmless.
    if (reason === 'hello' && !wasAsking) return this.#committed(upTo)
    // After a gap the batches behind it are refused as well: the first refusal has started over already.
    if (reason === 'gap' && wasAsking) return undefined
    if (reason === 'gap') {
      const truncate = this.#committed(upTo)
      this.#ask()
      return truncate
    }
    if (upTo < this.#acked && this.#doubtedUpTo !== upTo) {
      // The hub has gone back (a backup was restored), or this is an answer to an older hello: ask once more.
      this.#doubtedUpTo = upTo
      this.#ask()
      return undefined
    }
    this.#phase = { name: 'streaming' }
    this.#forget()
    const hasGrown = upTo > this.#acked
    this.#acked = upTo
    this.#progress(upTo)
    return hasGrown ? upTo : undefined
  }

  #progress(upTo: number): void {
    this.#acked = upTo
    this.#inFlight = this.#inFlight.filter((batch) => batch.lastSeq > upTo)
    this.#unanswered = 0
    this.#answerMs = this.#timing.answerMs
    this.#doubtedUpTo = undefined
  }

  #ask(): void {
    this.#phase = { name: 'asking' }
    this.#forget()
  }

  #forget(): void {
    this.#inFlight = []
    this.#lingerFromMs = undefined
    this.#generation += 1
  }

  #slowDown(): void {
    this.#answerMs = Math.min(this.#answerMs * 2, this.#timing.maxAnswerMs)
  }
}
