/**
 * Brings the journal to the hub: keeps a connection, says hello, sends batches and truncates what the hub has
 * committed. What is to be done is decided by one `StreamSender` a stream; here is the I/O.
 *
 * Alerts never wait behind measurements: the streams have their own batches in flight, and those of measurements are
 * few and small enough that an alert is at most some 256 KiB behind on the wire.
 */
import {
  Cursor,
  edgeTopics,
  type Hello,
  HistoryCommand,
  jsonParser,
  type Parsed,
  RelayCommand,
  SettingsOffer,
  STREAMS,
  type Stream,
  WatchListOffer,
} from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { Backoff } from '../backoff.ts'
import type { Journal, JournalSlice } from '../journal/journal.ts'
import { redact } from '../redact.ts'
import { HubClock } from './hub-clock.ts'
import { HubLink, type HubLinkOptions } from './hub-link.ts'
import { type SenderTiming, StreamSender } from './stream-sender.ts'

export interface UplinkOptions extends HubLinkOptions {
  journal: Journal
  /** What this edge is: everything of the hello that the uplink does not know by itself. */
  describe: () => Omit<Hello, 'epoch' | 'atMs' | 'streams'>
  onRelay: (command: RelayCommand) => void
  onHistory: (command: HistoryCommand) => void
  /** Without it, the hub's settings are not taken. */
  onSettings?: (offer: SettingsOffer) => void
  onWatchList?: (offer: WatchListOffer) => void
  log: Logger
  timing?: Partial<UplinkTiming>
}

export interface UplinkTiming {
  lingerMs: number
  answerMs: number
  maxAnswerMs: number
  minHelloMs: number
  reconnectMinMs: number
  reconnectMaxMs: number
  /** A connection that lasted this long makes the next attempt come soon. */
  stableMs: number
  /** How often the edge repeats that it is online. */
  statusMs: number
}

export interface UplinkStats {
  isConnected: boolean
  /** Connections that have come up since the start. */
  connections: number
  batchesSent: number
  recordsSent: number
  /** Messages of the hub that could not be read. */
  refusedMessages: number
}

const DEFAULT_TIMING: UplinkTiming = {
  lingerMs: 200,
  answerMs: 10_000,
  maxAnswerMs: 30_000,
  minHelloMs: 500,
  reconnectMinMs: 250,
  reconnectMaxMs: 10_000,
  stableMs: 10_000,
  statusMs: 30_000,
}

const BATCH: Record<Stream, { records: number; bytes: number; inFlight: number }> = {
  alerts: { records: 100, bytes: 512 * 1024, inFlight: 4 },
  measurements: { records: 500, bytes: 128 * 1024, inFlight: 2 },
}

/** After this many hellos without an answer the connection is given up: a new one may reach a hub that listens. */
const MAX_UNANSWERED_HELLOS = 4

const JOURNAL_RETRY_MS = 1000

const parseCursor = jsonParser(Cursor)
const parseRelay = jsonParser(RelayCommand)
const parseHistory = jsonParser(HistoryCommand)
const parseOffer = jsonParser(SettingsOffer)
const parseWatchList = jsonParser(WatchListOffer)

interface Sent {
  lastSeq: number
  /** Monotonic. */
  sentMs: number
}

export class Uplink {
  readonly #options: UplinkOptions
  readonly #timing: UplinkTiming
  readonly #journal: Journal
  readonly #log: Logger
  readonly #senders: Record<Stream, StreamSender>
  readonly #stop = new AbortController()
  readonly #timers: Partial<Record<Stream, NodeJS.Timeout>> = {}
  readonly #clock = new HubClock()
  #sentHello: Sent | undefined
  readonly #sentBatches: Partial<Record<Stream, Sent>> = {}
  readonly #isReading: Record<Stream, boolean> = { alerts: false, measurements: false }
  #link: HubLink | undefined
  #givenUp = Promise.withResolvers<string>()
  #isRenewing = false
  #loop: Promise<void> | undefined
  #stats: UplinkStats = {
    isConnected: false,
    connections: 0,
    batchesSent: 0,
    recordsSent: 0,
    refusedMessages: 0,
  }
  readonly #onAppended = (stream: Stream) => this.#advance(stream)

  constructor(options: UplinkOptions) {
    this.#options = options
    this.#timing = { ...DEFAULT_TIMING, ...options.timing }
    this.#journal = options.journal
    this.#log = options.log
    const { answerMs, maxAnswerMs, minHelloMs, lingerMs } = this.#timing
    const sender = (stream: Stream): StreamSender => {
      const timing: SenderTiming = {
        maxInFlight: BATCH[stream].inFlight,
        fullBatchRecords: BATCH[stream].records,
        lingerMs: stream === 'alerts' ? 0 : lingerMs,
        answerMs,
        maxAnswerMs,
        minHelloMs,
      }
      return new StreamSender(timing)
    }
    this.#senders = { alerts: sender('alerts'), measurements: sender('measurements') }
  }

  /** Begins to connect; returns at once. The journal must have been started. */
  start(): void {
    this.#journal.on('appended', this.#onAppended)
    this.#loop = this.#run(this.#stop.signal)
  }

  /** Tells the hub anew what hangs on this edge; without a connection the next one begins with it anyway. */
  sayHello(): void {
    if (!this.#link) return
    this.#link.publishHello(this.#hello())
    const nowMs = performance.now()
    this.#sentHello = { lastSeq: 0, sentMs: nowMs }
    for (const stream of STREAMS) this.#senders[stream].helloSent(nowMs)
  }

  /** How far the hub's clock is ahead of this one's. */
  get hubClock(): { offsetMs: number; errorMs: number } | undefined {
    return this.#clock.offset(performance.now())
  }

  stats(): UplinkStats {
    return { ...this.#stats }
  }

  /** Says goodbye to the hub. What it has not acknowledged stays in the journal. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#journal.off('appended', this.#onAppended)
    this.#disconnected()
    await this.#loop
  }

  async #run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ minMs: this.#timing.reconnectMinMs, maxMs: this.#timing.reconnectMaxMs })
    let lastProblem = ''
    while (!signal.aborted) {
      try {
        const link = await HubLink.open(
          this.#options,
          (topic, payload) => this.#received(topic, payload),
          signal,
        )
        this.#log.info({ mqttUrl: redact(this.#options.mqttUrl) }, 'connected to the hub')
        lastProblem = ''
        const openedMs = performance.now()
        const reason = await this.#serve(link, signal)
        if (signal.aborted) return
        // A connection that is lost at once was no success: two boxes with one id would throw each other out for ever.
        if (performance.now() - openedMs > this.#timing.stableMs) backoff.reset()
        this.#log.warn({ reason }, 'the connection to the hub is lost')
      } catch (error) {
        const problem = (error as Error).message
        // Once a cause: an edge may be without its hub for days.
        if (problem !== lastProblem && !signal.aborted) {
          this.#log.warn(
            { err: error, mqttUrl: redact(this.#options.mqttUrl) },
            'cannot reach the hub, trying on',
          )
        }
        lastProblem = problem
      }
      await backoff.wait(signal)
    }
  }

  /** One connection; resolves with the reason when it is lost or was given up. */
  async #serve(link: HubLink, signal: AbortSignal): Promise<string> {
    this.#link = link
    this.#stats.isConnected = true
    this.#stats.connections += 1
    const aborted = Promise.withResolvers<string>()
    const onAbort = () => aborted.resolve('closing')
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    const status = setInterval(() => link.reportOnline(), this.#timing.statusMs)
    for (const stream of STREAMS) this.#senders[stream].connected()
    this.#advanceAll()
    const reason = await Promise.race([link.lost, aborted.promise, this.#givenUp.promise])
    clearInterval(status)
    signal.removeEventListener('abort', onAbort)
    this.#disconnected()
    await (signal.aborted ? link.close() : link.drop())
    return reason
  }

  #disconnected(): void {
    this.#link = undefined
    this.#givenUp = Promise.withResolvers()
    this.#stats.isConnected = false
    for (const stream of STREAMS) {
      clearTimeout(this.#timers[stream])
      this.#senders[stream].disconnected()
    }
  }

  #received(topic: string, payload: Buffer): void {
    const { edgeId, onRelay, onHistory, onSettings, onWatchList } = this.#options
    const take = <T>(parse: (text: string) => Parsed<T>, handle: (value: T) => void) => {
      const parsed = parse(payload.toString())
      if (parsed.ok) handle(parsed.value)
      else this.#refused(topic, parsed.problems)
    }
    if (topic === edgeTopics.cursor(edgeId)) take(parseCursor, (cursor) => this.#answered(cursor))
    else if (topic === edgeTopics.relay(edgeId)) take(parseRelay, onRelay)
    else if (topic === edgeTopics.history(edgeId)) take(parseHistory, onHistory)
    else if (topic === edgeTopics.settings(edgeId)) take(parseOffer, (offer) => onSettings?.(offer))
    else if (topic === edgeTopics.watchlist(edgeId)) take(parseWatchList, (offer) => onWatchList?.(offer))
  }

  #refused(topic: string, problems: string[]): void {
    this.#stats.refusedMessages += 1
    this.#log.warn({ topic, problems }, 'a message of the hub cannot be read')
  }

  #answered(cursor: Cursor): void {
    const { stream } = cursor
    this.#noteClock(cursor)
    const upTo = this.#senders[stream].answered(cursor, this.#journal.epoch, this.#journal.bounds(stream))
    if (upTo !== undefined) this.#journal.truncate(stream, upTo)
    if (cursor.reason === 'gap' || cursor.reason === 'epoch') {
      this.#log.warn({ cursor }, 'the hub refused a batch, going on from its cursor')
    }
    // A hello that one stream needs answers for both.
    this.#advanceAll()
  }

  /** Only an answer to what was sent last says how long it took. */
  #noteClock({ stream, reason, upTo, hubAtMs }: Cursor): void {
    const sent = reason === 'hello' ? this.#sentHello : this.#sentBatches[stream]
    if (!sent || hubAtMs === undefined || (reason !== 'hello' && sent.lastSeq !== upTo)) return
    this.#clock.note({
      sentMs: sent.sentMs,
      receivedMs: performance.now(),
      receivedAtMs: Date.now(),
      hubAtMs,
    })
  }

  #advanceAll(): void {
    for (const stream of STREAMS) this.#advance(stream)
  }

  /** Does what the sender says until there is nothing to do, then sets a timer for the next moment that matters. */
  #advance(stream: Stream): void {
    const link = this.#link
    if (!link || this.#isReading[stream] || this.#isRenewing) return
    clearTimeout(this.#timers[stream])
    const sender = this.#senders[stream]
    const nowMs = performance.now()
    const step = sender.next(nowMs, this.#journal.bounds(stream))
    switch (step.kind) {
      case 'wait':
        if (step.untilMs !== Number.POSITIVE_INFINITY) {
          this.#advanceLater(stream, Math.max(1, step.untilMs - nowMs))
        }
        return
      case 'hello':
        if (sender.unansweredHellos >= MAX_UNANSWERED_HELLOS) {
          this.#givenUp.resolve('the hub does not answer')
          return
        }
        this.sayHello()
        this.#advance(stream)
        return
      case 'send':
        void this.#send(link, stream, step.fromSeq)
        return
      case 'renew-epoch':
        void this.#renewEpoch()
        return
    }
  }

  #advanceLater(stream: Stream, ms: number): void {
    clearTimeout(this.#timers[stream])
    if (this.#link) this.#timers[stream] = setTimeout(() => this.#advance(stream), ms)
  }

  async #send(link: HubLink, stream: Stream, fromSeq: number): Promise<void> {
    const sender = this.#senders[stream]
    const { generation } = sender
    const { records, bytes } = BATCH[stream]
    this.#isReading[stream] = true
    let slice: JournalSlice
    try {
      slice = await this.#journal.read(stream, fromSeq, { limit: records, maxBytes: bytes })
    } catch (error) {
      // The journal reports its own failure and ends the edge; at closing this is expected.
      this.#log.debug({ err: error }, 'the journal cannot be read')
      this.#advanceLater(stream, JOURNAL_RETRY_MS)
      return
    } finally {
      this.#isReading[stream] = false
    }
    if (this.#link === link && sender.generation === generation) {
      link.publishBatch(stream, batchJson(this.#journal.epoch, slice))
      const lastSeq = slice.firstSeq + slice.payloads.length - 1
      const sentMs = performance.now()
      sender.sent(slice.firstSeq, lastSeq, sentMs)
      this.#sentBatches[stream] = { lastSeq, sentMs }
      this.#stats.batchesSent += 1
      this.#stats.recordsSent += slice.payloads.length
      if (slice.lost)
        this.#log.warn({ stream, lost: slice.lost }, 'records were lost and are declared to the hub')
    }
    this.#advance(stream)
  }

  async #renewEpoch(): Promise<void> {
    this.#isRenewing = true
    const before = this.#journal.epoch
    try {
      await this.#journal.renewEpoch()
      this.#log.warn(
        { before, epoch: this.#journal.epoch },
        'the hub knows numbers that this journal has not given (an older data folder?): a new epoch begins',
      )
    } catch (err) {
      this.#log.error({ err }, 'no new epoch can begin, trying again')
      for (const stream of STREAMS) this.#advanceLater(stream, JOURNAL_RETRY_MS)
      return
    } finally {
      this.#isRenewing = false
    }
    if (!this.#link) return
    for (const stream of STREAMS) this.#senders[stream].connected()
    this.#advanceAll()
  }

  #hello(): string {
    const held = (stream: Stream) => {
      const { firstSeq, lastSeq } = this.#journal.bounds(stream)
      // An empty journal says `lastSeq + 1` and `lastSeq`, so that a hub with a new database knows where it stands.
      return lastSeq === 0 ? { firstSeq: 0, lastSeq: 0 } : { firstSeq, lastSeq }
    }
    const hello: Hello = {
      ...this.#options.describe(),
      epoch: this.#journal.epoch,
      atMs: Date.now(),
      streams: { alerts: held('alerts'), measurements: held('measurements') },
    }
    return JSON.stringify(hello)
  }
}

/** The records are JSON text already: they are joined, not parsed and written again. */
function batchJson(epoch: string, { firstSeq, payloads, lost }: JournalSlice): string {
  const declared = lost ? `,"lost":${JSON.stringify(lost)}` : ''
  return `{"epoch":"${epoch}","firstSeq":${firstSeq}${declared},"records":[${payloads.join(',')}]}`
}
