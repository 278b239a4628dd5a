/** Turns the bytes of a message into what it says, or counts and tells that it says nothing. */
import type { Parsed } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { Metrics } from '../metrics.ts'

/** An edge that sends nonsense gets a line in the log this often; everything is counted. */
const COMPLAINT_INTERVAL_MS = 1000

const utf8 = new TextDecoder('utf-8', { fatal: true })

export interface RawMessage {
  edgeId: string
  topic: string
  payload: Uint8Array
}

export class MessageReader {
  readonly #metrics: Metrics
  readonly #log: Logger
  readonly #now: () => number
  readonly #complaints = new Map<string, { atMs: number; suppressed: number }>()

  constructor(metrics: Metrics, log: Logger, now: () => number) {
    this.#metrics = metrics
    this.#log = log
    this.#now = now
  }

  /** `undefined` for a malformed message: it is counted, told in the log, and stops nothing. */
  read<T>(message: RawMessage, parse: (text: string) => Parsed<T>): T | undefined {
    let problems: string[]
    try {
      const parsed = parse(utf8.decode(message.payload))
      if (parsed.ok) return parsed.value
      problems = parsed.problems
    } catch {
      problems = ['/: not UTF-8 text']
    }
    this.#metrics.messagesRefused.inc({ reason: 'malformed' })
    this.#complain(message, problems)
    return undefined
  }

  #complain({ edgeId, topic, payload }: RawMessage, problems: string[]): void {
    const nowMs = this.#now()
    const last = this.#complaints.get(edgeId)
    if (last && nowMs - last.atMs < COMPLAINT_INTERVAL_MS) {
      last.suppressed++
      return
    }
    this.#complaints.set(edgeId, { atMs: nowMs, suppressed: 0 })
    this.#log.warn(
      { edgeId, topic, bytes: payload.byteLength, problems, alsoRefused: last?.suppressed ?? 0 },
      'malformed message refused',
    )
  }
}
