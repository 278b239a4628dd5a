/**
 * The edges of the ingest bench, in a process of their own: real MQTT clients that publish batches prepared beforehand
 * and keep as many in flight as an edge does. A batch is patched in place (its first number and the times of its
 * records), so that this process costs little beside the hub on the same cores.
 *
 * The parent sends a `LoadOrder`; the answers are a `LoadReport` each, and the process ends when it is disconnected.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { type Cursor, edgeTopics, MAX_BATCH_RECORDS } from '@patrolhub/protocol'
import { connectAsync, type MqttClient } from 'mqtt'

export interface LoadOrder {
  port: number
  /** Edges with their tokens; without a token the broker is a bare one and the PUBACK stands for the commit. */
  edges: readonly { edgeId: string; token: string | undefined; region: string }[]
  stream: 'measurements' | 'alerts'
  kinds: readonly ('passage' | 'reading' | 'score')[]
  seconds: number
  /** As the edge's uplink. */
  batch: { records: number; bytes: number; inFlight: number }
  /** Alerts only: how many a second become due over all edges. */
  alertsPerSecond: number
}

export interface LoadReport {
  records: number
  bytes: number
  batches: number
  /** From the first publish to the last commit. */
  seconds: number
  /** From publish to commit of each batch, ms; of alerts from when it was due. */
  latenciesMs: number[]
  /** Ids of the alerts that were committed. */
  alertIds: string[]
  cpuSeconds: number
}

const SEQ_DIGITS = 15

interface Prepared {
  payload: Buffer
  records: number
  timesAt: number[]
}

const head = (epoch: string) => `{"epoch":"${epoch}","firstSeq":`

/** A batch as the edge builds it, as full as its limits allow. */
function prepare(epoch: string, edgeId: string, region: string, order: LoadOrder): Prepared {
  const pieces: string[] = []
  let bytes = 0
  while (pieces.length < Math.min(order.batch.records, MAX_BATCH_RECORDS)) {
    const kind = order.kinds[pieces.length % order.kinds.length]!
    const text = JSON.stringify(record(kind, edgeId, region, pieces.length))
    if (bytes + text.length > order.batch.bytes) break
    bytes += text.length + 1
    pieces.push(text)
  }
  const text = `${head(epoch)}${' '.repeat(SEQ_DIGITS)},"records":[${pieces.join(',')}]}`
  const timesAt: number[] = []
  for (let at = text.indexOf('"atMs":'); at !== -1; at = text.indexOf('"atMs":', at + 1)) timesAt.push(at + 7)
  return { payload: Buffer.from(text), records: pieces.length, timesAt }
}

function record(kind: LoadOrder['kinds'][number], edgeId: string, region: string, index: number): object {
  const base = { kind, atMs: 1_790_000_000_000 }
  switch (kind) {
    case 'passage':
      return {
        ...base,
        deviceId: `checkpoint-${edgeId}-${index % 4}`,
        region,
        lane: index % 6,
        speedKmh: 30 + (index % 50),
        vehicleClass: `K${30 + (index % 4)}`,
        plateColour: ['blue', 'green', 'yellow'][index % 3],
        direction: index % 2 === 0 ? 'in' : 'out',
        plateHash: randomBytes(32).toString('hex'),
        plateCipher: `1.${randomBytes(12).toString('base64url')}.${randomBytes(9).toString('base64url')}.${randomBytes(16).toString('base64url')}`,
      }
    case 'reading':
      return {
        ...base,
        deviceId: `sensor-${edgeId}-${index % 20}`,
        region,
        quantity: 'water_level',
        value: Math.round(Math.random() * 1000) / 100,
        unit: 'm',
      }
    case 'score':
      return {
        ...base,
        deviceId: `checkpoint-${edgeId}-${index % 4}`,
        region,
        series: 'flow',
        value: index % 60,
        score: Math.round(Math.random() * 1000) / 1000,
        expectedLow: 10.5,
        expectedHigh: 49.25,
      }
  }
}

interface Running {
  records: number
  bytes: number
  batches: number
  latenciesMs: number[]
  alertIds: string[]
}

/** One edge: says hello, then sends and waits for cursors until the time is over and everything is committed. */
class LoadedEdge {
  readonly #order: LoadOrder
  readonly #edge: LoadOrder['edges'][number]
  readonly #epoch = randomUUID()
  readonly #inFlight: { lastSeq: number; sentAt: number; alerts: { id: string; dueAt: number }[] }[] = []
  readonly #isBare: boolean
  readonly running: Running = { records: 0, bytes: 0, batches: 0, latenciesMs: [], alertIds: [] }
  #mqtt!: MqttClient
  #prepared: Prepared[] = []
  #nextSeq = 1
  #untilAt = 0
  #due: { id: string; dueAt: number; text: string }[] = []
  #done = Promise.withResolvers<void>()
  #hello = Promise.withResolvers<void>()
  #timer: NodeJS.Timeout | undefined

  constructor(order: LoadOrder, edge: LoadOrder['edges'][number]) {
    this.#order = order
    this.#edge = edge
    this.#isBare = edge.token === undefined
  }

  async connect(): Promise<void> {
    const { edgeId, token, region } = this.#edge
    this.#mqtt = await connectAsync(`mqtt://127.0.0.1:${this.#order.port}`, {
      ...(token === undefined ? { clientId: edgeId } : { username: edgeId, password: token }),
      reconnectPeriod: 0,
    })
    const failed = (error: Error) => {
      this.#hello.reject(error)
      this.#done.reject(error)
    }
    this.#done.promise.catch(() => undefined)
    this.#mqtt.on('error', failed)
    this.#mqtt.on('close', () => failed(new Error(`the broker closed the connection of ${edgeId}`)))
    if (this.#order.stream === 'measurements') {
      this.#prepared = [0, 1, 2].map(() => prepare(this.#epoch, edgeId, region, this.#order))
    }
    if (this.#isBare) return
    this.#mqtt.on('message', (_topic, payload) => this.#told(JSON.parse(payload.toString()) as Cursor))
    await this.#mqtt.subscribeAsync(edgeTopics.cursor(edgeId), { qos: 1 })
    const none = { firstSeq: 1, lastSeq: 0 }
    const hello = {
      epoch: this.#epoch,
      software: 'bench',
      region,
      atMs: Date.now(),
      streams: { alerts: none, measurements: none },
      cameras: [],
      checkpoints: [],
      sensors: [],
    }
    await this.#mqtt.publishAsync(edgeTopics.hello(edgeId), JSON.stringify(hello), { qos: 1 })
    await this.#hello.promise
  }

  async run(untilAt: number): Promise<void> {
    this.#untilAt = untilAt
    if (this.#order.stream === 'alerts') {
      const everyMs = (1000 * this.#order.edges.length) / this.#order.alertsPerSecond
      const beginAt = performance.now() + Math.random() * everyMs
      let count = 0
      this.#timer = setInterval(() => {
        const now = Math.min(performance.now(), this.#untilAt)
        for (; beginAt + count * everyMs <= now; count++) this.#dueAlert(beginAt + count * everyMs, count)
        this.#fill()
      }, 5)
    }
    this.#fill()
    await this.#done.promise
    clearInterval(this.#timer)
  }

  async close(): Promise<void> {
    this.#mqtt.removeAllListeners('close')
    await this.#mqtt.endAsync(true)
  }

  #dueAlert(dueAt: number, count: number): void {
    const id = randomUUID()
    const record = {
      kind: 'alert',
      alertId: id,
      atMs: Date.now(),
      deviceId: `cam-${this.#edge.edgeId}-${count % 20}`,
      deviceKind: 'camera',
      region: this.#edge.region,
      rule: 'intrusion',
      ruleName: 'Gate',
      severity: 'major',
      score: 0.9,
      reason: 'a person stands in Gate',
      facts: { className: 'person' },
      objects: [
        { trackId: 1, className: 'person', score: 0.9, boxNorm: [0.1, 0.2, 0.3, 0.4], isSubject: true },
      ],
      trackPath: [[0.2, 0.4]],
      evidenceIds: [],
    }
    this.#due.push({ id, dueAt, text: JSON.stringify(record) })
  }

  #fill(): void {
    const { batch, stream } = this.#order
    while (this.#inFlight.length < batch.inFlight) {
      if (stream === 'alerts') {
        if (this.#due.length === 0) break
        this.#send(...this.#alertBatch())
      } else {
        if (performance.now() >= this.#untilAt) break
        this.#send(...this.#measurementBatch())
      }
    }
    if (this.#inFlight.length === 0 && this.#due.length === 0 && performance.now() >= this.#untilAt) {
      this.#done.resolve()
    }
  }

  #alertBatch(): [Buffer, number, { id: string; dueAt: number }[]] {
    const alerts = this.#due.splice(0, this.#order.batch.records)
    const text = `${head(this.#epoch)}${this.#nextSeq},"records":[${alerts.map(({ text }) => text).join(',')}]}`
    return [Buffer.from(text), alerts.length, alerts]
  }

  #measurementBatch(): [Buffer, number, never[]] {
    // One more than may be in flight: a payload is patched again only when its batch has been answered.
    const prepared = this.#prepared[this.running.batches % this.#prepared.length]!
    const { payload, timesAt } = prepared
    payload.write(String(this.#nextSeq).padStart(SEQ_DIGITS), head(this.#epoch).length, 'latin1')
    const endMs = Date.now()
    for (const [index, at] of timesAt.entries()) {
      payload.write(String(endMs - timesAt.length + index), at, 'latin1')
    }
    return [payload, prepared.records, []]
  }

  #send(payload: Buffer, records: number, alerts: { id: string; dueAt: number }[]): void {
    const { running } = this
    const lastSeq = this.#nextSeq + records - 1
    this.#nextSeq = lastSeq + 1
    this.#inFlight.push({ lastSeq, sentAt: performance.now(), alerts })
    running.batches++
    running.bytes += payload.byteLength
    const topic = edgeTopics.batch(this.#edge.edgeId, this.#order.stream)
    this.#mqtt.publish(topic, payload, { qos: 1 }, (error) => {
      if (error) this.#done.reject(error)
      else if (this.#isBare) this.#committed(lastSeq)
    })
  }

  #told({ stream, reason, upTo }: Cursor): void {
    if (reason === 'hello') this.#hello.resolve()
    else if (reason !== 'committed') this.#done.reject(new Error(`batch refused: ${reason} at ${upTo}`))
    else if (stream === this.#order.stream) this.#committed(upTo)
  }

  #committed(upTo: number): void {
    const now = performance.now()
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.lastSeq <= upTo) {
      const { sentAt, alerts } = this.#inFlight.shift()!
      if (this.#order.stream === 'measurements') this.running.latenciesMs.push(now - sentAt)
      for (const { id, dueAt } of alerts) {
        this.running.latenciesMs.push(now - dueAt)
        this.running.alertIds.push(id)
      }
    }
    this.running.records = Math.max(this.running.records, upTo)
    this.#fill()
  }
}

async function load(order: LoadOrder): Promise<LoadReport> {
  const edges = order.edges.map((edge) => new LoadedEdge(order, edge))
  await Promise.all(edges.map((edge) => edge.connect()))
  const begin = performance.now()
  const cpu = process.cpuUsage()
  await Promise.all(edges.map((edge) => edge.run(begin + order.seconds * 1000)))
  const seconds = (performance.now() - begin) / 1000
  const { user, system } = process.cpuUsage(cpu)
  await Promise.all(edges.map((edge) => edge.close()))
  const sum = (name: 'records' | 'bytes' | 'batches') =>
    edges.reduce((total, { running }) => total + running[name], 0)
  return {
    records: sum('records'),
    bytes: sum('bytes'),
    batches: sum('batches'),
    seconds,
    latenciesMs: edges.flatMap(({ running }) => running.latenciesMs),
    alertIds: edges.flatMap(({ running }) => running.alertIds),
    cpuSeconds: (user + system) / 1e6,
  }
}

if (process.send) {
  process.on('message', (order: LoadOrder) => {
    load(order).then(
      (report) => process.send!(report),
      (error: Error) => process.send!({ failure: error.message }),
    )
  })
  process.on('disconnect', () => process.exit())
}
