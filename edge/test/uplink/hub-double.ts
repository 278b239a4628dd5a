/**
 * The hub's side of the cursor protocol, strict and small, on a real broker: for faults that a real hub cannot be asked
 * to make. What it holds in `store` survives `kill`, like a database; everything else does not.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import {
  Batch,
  type Cursor,
  EdgeStatus,
  edgeMayPublish,
  edgeMaySubscribe,
  edgeTopics,
  Hello,
  jsonParser,
  parseUpTopic,
  type Stream,
} from '@patrolhub/protocol'
import { Aedes } from 'aedes'

export interface HubStore {
  epochs: Set<string>
  cursors: Map<string, number>
  records: Record<Stream, unknown[]>
  lost: NonNullable<Batch['lost']>[]
}

export function emptyStore(): HubStore {
  return { epochs: new Set(), cursors: new Map(), records: { alerts: [], measurements: [] }, lost: [] }
}

export interface HubDoubleOptions {
  store: HubStore
  token: string
  port?: number
  tls?: { key: string; cert: string }
}

const parseHello = jsonParser(Hello)
const parseBatch = jsonParser(Batch)
const parseStatus = jsonParser(EdgeStatus)

export class HubDouble {
  readonly store: HubStore
  readonly hellos: Hello[] = []
  readonly statuses: EdgeStatus['state'][] = []
  readonly problems: string[] = []
  refusedConnections = 0
  batches: { stream: Stream; firstSeq: number; records: number }[] = []
  /** How often each batch is answered: 0 is silence. */
  answers: Record<Stream, number> = { alerts: 1, measurements: 1 }
  answersHellos = true
  /** Batches that are lost on the way, before the hub sees them. */
  batchesToLose = 0
  readonly #token: string
  readonly #broker: Aedes
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(options: HubDoubleOptions, broker: Aedes) {
    this.store = options.store
    this.#token = options.token
    this.#broker = broker
    const onSocket = (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      broker.handle(socket)
    }
    this.#server = options.tls ? createTlsServer(options.tls, onSocket) : createServer(onSocket)
  }

  static async start(options: HubDoubleOptions): Promise<HubDouble> {
    const hub = new HubDouble(options, await Aedes.createBroker())
    hub.#authorise()
    hub.#server.listen(options.port ?? 0, '127.0.0.1')
    await once(hub.#server, 'listening')
    return hub
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Ends as a killed process does: every connection is cut, nothing more is said. */
  async kill(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#broker.close(resolve))
    await closed
  }

  send(topic: string, payload: string): void {
    this.#broker.publish(
      { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 1, retain: false, dup: false },
      () => undefined,
    )
  }

  #authorise(): void {
    const broker = this.#broker
    broker.authenticate = (_client, _username, password, done) => {
      const isKnown = password?.toString() === this.#token
      if (!isKnown) this.refusedConnections += 1
      done(isKnown ? null : Object.assign(new Error('no'), { returnCode: 5 }), isKnown)
    }
    broker.authorizeSubscribe = (client, subscription, done) => {
      if (edgeMaySubscribe(client.id, subscription.topic)) return done(null, subscription)
      this.problems.push(`subscribed to ${subscription.topic}`)
      done(new Error('not yours'))
    }
    broker.authorizePublish = (client, packet, done) => {
      if (!client || edgeMayPublish(client.id, packet.topic)) return done(null)
      this.problems.push(`published to ${packet.topic}`)
      done(new Error('not yours'))
    }
    broker.on('publish', (packet, client) => {
      if (client) this.#take(packet.topic, packet.payload.toString())
    })
  }

  #take(topic: string, text: string): void {
    const up = parseUpTopic(topic)
    if (!up) return
    if (up.kind === 'status') {
      const parsed = parseStatus(text)
      if (parsed.ok) this.statuses.push(parsed.value.state)
      else this.problems.push(...parsed.problems)
    } else if (up.kind === 'hello') {
      const parsed = parseHello(text)
      if (!parsed.ok) {
        this.problems.push(...parsed.problems)
        return
      }
      this.hellos.push(parsed.value)
      if (!this.answersHellos) return
      this.store.epochs.add(parsed.value.epoch)
      for (const stream of ['alerts', 'measurements'] as const) {
        this.#answer(up.edgeId, stream, parsed.value.epoch, 'hello')
      }
    } else {
      const parsed = parseBatch(text)
      if (parsed.ok) this.#takeBatch(up.edgeId, up.stream, parsed.value)
      else this.problems.push(...parsed.problems)
    }
  }

  #takeBatch(edgeId: string, stream: Stream, batch: Batch): void {
    if (this.batchesToLose > 0) {
      this.batchesToLose -= 1
      return
    }
    this.batches.push({ stream, firstSeq: batch.firstSeq, records: batch.records.length })
    const key = `${stream} ${batch.epoch}`
    const cursor = this.store.cursors.get(key) ?? 0
    const declaredFrom = batch.lost?.fromSeq ?? batch.firstSeq
    const isKnown = this.store.epochs.has(batch.epoch)
    if (!isKnown || declaredFrom > cursor + 1) {
      this.#answer(edgeId, stream, batch.epoch, isKnown ? 'gap' : 'epoch')
      return
    }
    const lastSeq = batch.firstSeq + batch.records.length - 1
    if (lastSeq > cursor) {
      if (batch.lost && batch.lost.toSeq > cursor) this.store.lost.push(batch.lost)
      this.store.records[stream].push(...batch.records.slice(Math.max(0, cursor + 1 - batch.firstSeq)))
      this.store.cursors.set(key, lastSeq)
    }
    for (let count = 0; count < this.answers[stream]; count++) {
      this.#answer(edgeId, stream, batch.epoch, 'committed')
    }
  }

  #answer(edgeId: string, stream: Stream, epoch: string, reason: Cursor['reason']): void {
    const upTo = this.store.cursors.get(`${stream} ${epoch}`) ?? 0
    this.send(edgeTopics.cursor(edgeId), JSON.stringify({ stream, epoch, upTo, reason } satisfies Cursor))
  }
}
