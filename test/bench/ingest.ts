/**
 * How fast one hub takes records: simulated edges publish prepared batches through real MQTT clients and keep as many
 * in flight as an edge does; a record counts when its cursor has come back. Hub and edges are processes of their own on
 * the same machine. In the same run the same messages go through a bare Mosquitto to a subscriber that only counts.
 *
 *   npm run bench -- ingest [--edges 20] [--seconds 10] [--kinds passage,reading,score]
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connectAsync } from 'mqtt'
import {
  createEdge,
  freshFolder,
  type HubProcess,
  startHubProcess,
  testEnv,
} from '../../server/test/support/hub.ts'
import { type Bar, report, spreadOf } from '../support/bench.ts'
import type { LoadOrder, LoadReport } from '../support/ingest-load.ts'

const { values } = parseArgs({
  options: {
    edges: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '10' },
    kinds: { type: 'string', default: 'passage,reading,score' },
  },
})
const edgeCount = Number(values.edges)
const seconds = Number(values.seconds)
const kinds = values.kinds.split(',') as LoadOrder['kinds']

/** As in the edge's uplink. */
const MEASUREMENT_BATCH = { records: 500, bytes: 128 * 1024, inFlight: 2 }
const REGION = '410502003'
const GOAL_RECORDS_PER_SECOND = 100_000
const WARM_UP_SECONDS = 3
const CLOCK_TICKS_PER_SECOND = 100

const say = (text: string) => console.log(text)

/** CPU seconds of a process so far and its resident memory, MB, now and at its highest. */
async function usageOf(pid: number): Promise<{ cpuSeconds: number; nowMb: number; highestMb: number }> {
  const stat = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const megabytes = (name: string) =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1000)
  return {
    // utime and stime, fields 14 and 15 of proc(5).
    cpuSeconds: (Number(stat[11]) + Number(stat[12])) / CLOCK_TICKS_PER_SECOND,
    nowMb: megabytes('VmRSS'),
    highestMb: megabytes('VmHWM'),
  }
}

const startLoad = () => fork(new URL('../support/ingest-load.ts', import.meta.url))

async function order(generator: ChildProcess, what: LoadOrder): Promise<LoadReport> {
  const answered = once(generator, 'message')
  generator.send(what)
  const [answer] = (await answered) as [LoadReport | { failure: string }]
  if ('failure' in answer) throw new Error(answer.failure)
  return answer
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

const described = (latenciesMs: readonly number[]) => {
  const { p50, p95, max } = spreadOf(latenciesMs)
  return `p50 ${p50?.toFixed(1)}, p95 ${p95?.toFixed(1)}, worst ${max?.toFixed(1)} ms`
}

const measurements = (port: number, edges: LoadOrder['edges'], forSeconds: number): LoadOrder => ({
  port,
  edges,
  stream: 'measurements',
  kinds,
  seconds: forSeconds,
  batch: MEASUREMENT_BATCH,
  alertsPerSecond: 0,
})

async function throughHub(hub: HubProcess, edges: LoadOrder['edges']) {
  const generator = startLoad()
  try {
    const pid = hub.child.pid!
    await order(generator, measurements(hub.mqttPort, edges, WARM_UP_SECONDS))
    const before = await usageOf(pid)
    const result = await order(generator, measurements(hub.mqttPort, edges, seconds))
    const after = await usageOf(pid)
    const recordsPerSecond = Math.round(result.records / result.seconds)
    const hubCores = (after.cpuSeconds - before.cpuSeconds) / result.seconds
    say(
      `hub, ${edges.length} edges: ${recordsPerSecond} records/s (${(result.bytes / result.seconds / 1e6).toFixed(1)} MB/s, ` +
        `${Math.round(result.records / result.batches)} records a batch), publish to commit ${described(result.latenciesMs)}`,
    )
    say(
      `hub: ${hubCores.toFixed(2)} cores, ${after.nowMb} MB (highest ${after.highestMb}); ` +
        `generator: ${(result.cpuSeconds / result.seconds).toFixed(2)} cores`,
    )
    return {
      records: result.records,
      recordsPerSecond,
      megabytesPerSecond: result.bytes / result.seconds / 1e6,
      recordsPerBatch: Math.round(result.records / result.batches),
      commitMs: spreadOf(result.latenciesMs),
      hubCpuSeconds: after.cpuSeconds - before.cpuSeconds,
      hubCores,
      hubMemoryMb: after.nowMb,
      hubHighestMemoryMb: after.highestMb,
      generatorCpuSeconds: result.cpuSeconds,
    }
  } finally {
    generator.disconnect()
  }
}

/** The same messages, published at QoS 1 to Mosquitto, to a subscriber that counts bytes: what MQTT alone costs here. */
async function throughMosquitto(edges: LoadOrder['edges']) {
  const folder = await freshFolder()
  const port = await freePort()
  const config = join(folder, 'mosquitto.conf')
  await writeFile(config, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n`)
  const broker = spawn('mosquitto', ['-c', config], {
    stdio: 'ignore',
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  })
  const exited = once(broker, 'exit')
  const generator = startLoad()
  try {
    const subscriber = await connectWhenUp(port)
    let messages = 0
    subscriber.on('message', () => messages++)
    await subscriber.subscribeAsync('patrolhub/v1/edges/+/up/measurements', { qos: 1 })
    const bare = edges.map(({ edgeId, region }) => ({ edgeId, region, token: undefined }))
    await order(generator, measurements(port, bare, 1))
    messages = 0
    const result = await order(generator, measurements(port, bare, seconds))
    const recordsPerSecond = Math.round(result.records / result.seconds)
    say(`bare Mosquitto: ${recordsPerSecond} records/s, ${messages} of ${result.batches} batches counted`)
    await subscriber.endAsync(true)
    return { recordsPerSecond, batches: result.batches, batchesCounted: messages }
  } finally {
    generator.disconnect()
    broker.kill()
    await exited
    await rm(folder, { recursive: true, force: true })
  }
}

async function connectWhenUp(port: number) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, clientId: 'counter' })
    } catch (error) {
      if (attempt === 50) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

const dataDir = await freshFolder()
const edges: { edgeId: string; token: string; region: string }[] = []
for (let index = 0; index < edgeCount; index++) {
  const edgeId = `edge-${index}`
  edges.push({ edgeId, token: await createEdge(dataDir, edgeId, REGION), region: REGION })
}
const hub = await startHubProcess(testEnv(dataDir))
try {
  const figures = {
    edges: edgeCount,
    seconds,
    kinds,
    hub: await throughHub(hub, edges),
    mosquitto: await throughMosquitto(edges),
  }
  const ratio = figures.hub.recordsPerSecond / figures.mosquitto.recordsPerSecond
  say(`ratio to the bare broker: ${ratio.toFixed(2)}`)
  const bars: Bar[] = [
    {
      name: 'measurement records taken',
      value: figures.hub.recordsPerSecond,
      unit: 'records/s',
      bar: GOAL_RECORDS_PER_SECOND,
      ok: figures.hub.recordsPerSecond >= GOAL_RECORDS_PER_SECOND,
    },
  ]
  report('ingest', { ...figures, ratioToMosquitto: ratio }, bars)
} finally {
  await hub.stop('SIGTERM')
  await rm(dataDir, { recursive: true, force: true })
}
