/**
 * Keeps history inside the span of its grant and on one clock for its player. Enters: times as the edge names them,
 * counted from the span's begin. Leaves: what to do with each picture. Invariants: nothing outside the span is shown,
 * nothing before the first key frame inside it, and the player's clock neither stands still in a hole nor runs back.
 * Pure.
 */
import type { HistorySpan } from '@patrolhub/protocol'
import type { TimeMark } from './time-mark.ts'

/** A longer way to the next picture is a hole: the player's clock leaves it out. */
const HOLE_MS = 2000
/** Distance that is put where a hole was. */
const STEP_MS = 40
/** The time is told anew at least this often, ms of the player's clock. */
const MARK_EVERY_MS = 5000

export type Placed =
  /** Outside the span or without what it needs. */
  | { kind: 'drop' }
  /** Behind the span: nothing more is shown. */
  | { kind: 'over' }
  /** `mark`: the player is to be told the time first. */
  | { kind: 'show'; timestampMs: number; mark: TimeMark | undefined }

export class HistoryClock {
  readonly #span: HistorySpan
  readonly #lengthMs: number
  #lastSourceMs: number | undefined
  #lastMs = 0
  #markedMs = 0
  #isOver = false

  constructor(span: HistorySpan) {
    this.#span = span
    this.#lengthMs = span.toMs - span.fromMs
  }

  /** Wall clock of the newest picture that was shown; `undefined` before the first. */
  get atMs(): number | undefined {
    return this.#lastSourceMs === undefined ? undefined : this.#span.fromMs + this.#lastSourceMs
  }

  /** The player's clock at its newest picture, ms. */
  get playerMs(): number {
    return this.#lastMs
  }

  /** Of the next picture in decoding order. `sourceMs`: its decoding time; it is shown `compositionMs` later. */
  place(sourceMs: number, compositionMs: number, isKeyFrame: boolean): Placed {
    if (this.#isOver || sourceMs > this.#lengthMs) {
      this.#isOver = true
      return { kind: 'over' }
    }
    const shownMs = sourceMs + compositionMs
    if (shownMs < 0 || shownMs > this.#lengthMs) return { kind: 'drop' }
    const isFirst = this.#lastSourceMs === undefined
    if (isFirst && !isKeyFrame) return { kind: 'drop' }
    const stepMs = isFirst ? 0 : sourceMs - this.#lastSourceMs!
    // The edge gives pictures in their order: what goes back has lost its place.
    if (stepMs < 0) return { kind: 'drop' }
    const isHole = stepMs > HOLE_MS
    const timestampMs = this.#lastMs + (isHole ? STEP_MS : stepMs)
    this.#lastSourceMs = sourceMs
    this.#lastMs = timestampMs
    const isMarkDue = isFirst || isHole || timestampMs - this.#markedMs >= MARK_EVERY_MS
    if (isMarkDue) this.#markedMs = timestampMs
    const mark = isMarkDue ? { streamMs: timestampMs, atMs: this.#span.fromMs + sourceMs } : undefined
    return { kind: 'show', timestampMs, mark }
  }
}
