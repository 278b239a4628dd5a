/**
 * How fast one hub takes records: simulated edges publish prepared batches through real MQTT clients and keep as many
 * in flight as an edge does; a record counts when its cursor has come back. Hub and edges are processes of their own on
 * the same machine. In the same run the same messages go through a bare Mosquitto to a subscriber that only counts, and
 * alerts go to 200 connected screens, alone and beside measurements.
 *
 *   npm run bench -- ingest [--edges 20] [--seconds 10] [--kinds passage,reading,score]
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
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
import { openSessions } from '../support/screen-sessions.ts'
import type { ScreenOrder, ScreenReport } from '../support/screens.ts'

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
const ALERT_BATCH = { records: 100, bytes: 512 * 1024, inFlight: 4 }
const GOAL_RECORDS_PER_SECOND = 100_000
const GOAL_ALERTS_PER_SECOND = 1000
const SCREENS = 200
/** Those that look at every event; the others take all in and count it. */
const WATCHING = 4
const SOCKETS_A_USER = 30
const SETTLE_MS = 1500
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

/** Alerts at the rate to be reached, to connected screens, with or without as many measurements as there is room for. */
async function alertsToScreens(
  hub: HubProcess,
  edges: LoadOrder['edges'],
  screenProcess: ChildProcess,
  withLoad: boolean,
) {
  const [alerting, loading] = [startLoad(), startLoad()]
  try {
    const half = edges.slice(0, edges.length / 2)
    const load = withLoad
      ? order(loading, measurements(hub.mqttPort, edges.slice(edges.length / 2), seconds + 1))
      : undefined
    const sent = await order(alerting, {
      ...measurements(hub.mqttPort, half, seconds),
      stream: 'alerts',
      batch: ALERT_BATCH,
      alertsPerSecond: GOAL_ALERTS_PER_SECOND,
    })
    const loaded = await load
    await delay(SETTLE_MS)
    const answered = once(screenProcess, 'message')
    screenProcess.send('report')
    const [seen] = (await answered) as [ScreenReport]
    const committed = new Set(sent.alertIds)
    // Of a burst a screen is told how many alerts the packet leaves out.
    const told = seen.alertIds.map(
      (ids, index) => new Set(ids.filter((id) => committed.has(id))).size + seen.omittedAlerts[index]!,
    )
    const acceptedPerSecond = Math.round(sent.records / sent.seconds)
    const measurementsPerSecond = loaded ? Math.round(loaded.records / loaded.seconds) : 0
    say(
      `alerts, ${SCREENS} screens, ${measurementsPerSecond} measurements/s beside: ${acceptedPerSecond} of ` +
        `${GOAL_ALERTS_PER_SECOND}/s accepted, due to commit ${described(sent.latenciesMs)}; ` +
        `least told ${Math.min(...told)} of ${committed.size}, packets a screen ${seen.packets.fewest} to ${seen.packets.most}`,
    )
    return {
      acceptedPerSecond,
      measurementsPerSecond,
      commitMs: spreadOf(sent.latenciesMs),
      committed: committed.size,
      leastTold: Math.min(...told),
      packetsAScreen: seen.packets,
    }
  } finally {
    alerting.disconnect()
    loading.disconnect()
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
    // The last ones may still be on their way.
    for (let waits = 0; messages < result.batches && waits < 50; waits++) await delay(100)
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
      await delay(100)
    }
  }
}

const dataDir = await freshFolder()
const edges: { edgeId: string; token: string; region: string }[] = []
for (let index = 0; index < edgeCount; index++) {
  const edgeId = `edge-${index}`
  edges.push({ edgeId, token: await createEdge(dataDir, edgeId, REGION), region: REGION })
}
const cookies = await openSessions(dataDir, Math.ceil(SCREENS / SOCKETS_A_USER))
const hub = await startHubProcess(testEnv(dataDir))
const screenProcess = fork(new URL('../support/screens.ts', import.meta.url))
try {
  const inHub = await throughHub(hub, edges)
  const mosquitto = await throughMosquitto(edges)
  const ratioToMosquitto = inHub.recordsPerSecond / mosquitto.recordsPerSecond
  say(`ratio to the bare broker: ${ratioToMosquitto.toFixed(2)}`)
  const url = `http://127.0.0.1:${hub.httpPort}`
  const connected = once(screenProcess, 'message')
  screenProcess.send({ url, cookies, watching: WATCHING, counting: SCREENS - WATCHING } satisfies ScreenOrder)
  const [answer] = (await connected) as [{ failure?: string }]
  if (answer.failure !== undefined) throw new Error(answer.failure)
  const alertsAlone = await alertsToScreens(hub, edges, screenProcess, false)
  const alertsBesideLoad = await alertsToScreens(hub, edges, screenProcess, true)
  const bar = (name: string, value: number, unit: string, goal: number): Bar => ({
    name,
    value,
    unit,
    bar: goal,
    ok: value >= goal,
  })
  report(
    'ingest',
    {
      edges: edgeCount,
      seconds,
      kinds,
      hub: inHub,
      mosquitto,
      ratioToMosquitto,
      alertsAlone,
      alertsBesideLoad,
    },
    [
      bar('measurement records taken', inHub.recordsPerSecond, 'records/s', GOAL_RECORDS_PER_SECOND),
      // What is due in the last moment is committed a little later: 99 of 100 is the rate.
      bar(
        'alerts taken, 200 screens',
        alertsAlone.acceptedPerSecond,
        'alerts/s',
        GOAL_ALERTS_PER_SECOND * 0.99,
      ),
      bar('share of the alerts told to every screen', alertsAlone.leastTold / alertsAlone.committed, '', 1),
    ],
  )
} finally {
  if (screenProcess.connected) screenProcess.disconnect()
  await hub.stop('SIGTERM')
  await rm(dataDir, { recursive: true, force: true })
}
