/**
 * How fast a hub takes records, and how long an alert waits for its commit, alone and beside that load. The hub is a
 * process of its own; this one plays the edges over MQTT.
 *
 *   npm run bench -- ingest-rate [--edges 4] [--batch 1000] [--seconds 10]
 */
import { rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { alertRecord, EdgeClient, passage, REGION } from '../../server/test/support/edge-client.ts'
import { createEdge, freshFolder, startHubProcess, testEnv } from '../../server/test/support/hub.ts'
import { report, spreadOf } from '../support/bench.ts'

const { values } = parseArgs({
  options: {
    edges: { type: 'string', default: '4' },
    batch: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
  },
})
const edges = Number(values.edges)
const batchRecords = Number(values.batch)
const seconds = Number(values.seconds)

/** Sends batches, one in flight, until told to stop; answers how many records were committed. */
async function load(edge: EdgeClient, untilMs: number): Promise<number> {
  let upTo = 0
  while (Date.now() < untilMs) {
    const first = upTo + 1
    const records = Array.from({ length: batchRecords }, (_, index) =>
      passage(0, {
        atMs: Date.now() - 1000 + index,
        deviceId: `cp-${edge.edgeId}`,
        plateHash: (first + index).toString(16).padStart(64, '0'),
      }),
    )
    await edge.send('measurements', first, records)
    upTo = first + batchRecords - 1
    await edge.cursor((cursor) => cursor.stream === 'measurements' && cursor.upTo >= upTo)
    edge.cursors.length = 0
  }
  return upTo
}

/** Sends single alerts, 20 a second; answers the time from publish to cursor of each, ms. */
async function alertLatencies(edge: EdgeClient, count: number): Promise<number[]> {
  const latencies: number[] = []
  for (let seq = 1; seq <= count; seq++) {
    const begin = performance.now()
    await edge.send('alerts', seq, [alertRecord({ deviceId: `cam-${seq % 50}` })])
    await edge.cursor((cursor) => cursor.stream === 'alerts' && cursor.upTo >= seq)
    latencies.push(performance.now() - begin)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return latencies
}

const say = (text: string) => console.log(text)
const describe = (latencies: readonly number[]) => {
  const { p50, p95, max } = spreadOf(latencies)
  return `p50 ${p50?.toFixed(1)}, p95 ${p95?.toFixed(1)}, worst ${max?.toFixed(1)} ms`
}

const dataDir = await freshFolder()
const names = Array.from({ length: edges }, (_, index) => `edge-${index}`)
const tokens = new Map<string, string>()
for (const name of [...names, 'quiet', 'alerting']) tokens.set(name, await createEdge(dataDir, name, REGION))
const hub = await startHubProcess(testEnv(dataDir, { PATROLHUB_LOG_LEVEL: 'info' }))
const connect = async (edgeId: string) => {
  const edge = await EdgeClient.connect({ port: hub.mqttPort, edgeId, token: tokens.get(edgeId)! })
  await edge.hello()
  return edge
}
async function residentMb(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${hub.httpPort}/metrics`)).text()
  return Math.round(Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]) / 1e6)
}

try {
  const memoryBeforeMb = await residentMb()
  say(`memory of the hub after its start: ${memoryBeforeMb} MB`)
  const quiet = await connect('quiet')
  const alone = await alertLatencies(quiet, 100)
  say(`alerts alone: ${describe(alone)}`)
  await quiet.close()
  const loading = await Promise.all(names.map(connect))
  const alerting = await connect('alerting')
  const begin = performance.now()
  const untilMs = Date.now() + seconds * 1000
  const [counts, latencies] = await Promise.all([
    Promise.all(loading.map((edge) => load(edge, untilMs))),
    alertLatencies(alerting, Math.floor(seconds * 12)),
  ])
  const records = counts.reduce((sum, count) => sum + count, 0)
  const rate = Math.round(records / ((performance.now() - begin) / 1000))
  say(`${edges} edges, batches of ${batchRecords}: ${rate} records/s, ${records} records`)
  const memoryAfterMb = await residentMb()
  say(`memory of the hub after it: ${memoryAfterMb} MB`)
  say(`alerts beside it: ${describe(latencies)}`)
  await Promise.all([...loading, alerting].map((edge) => edge.close()))
  report(
    'ingest-rate',
    {
      edges,
      batchRecords,
      seconds,
      recordsPerSecond: rate,
      memoryBeforeMb,
      memoryAfterMb,
      alertAloneMs: spreadOf(alone),
      alertBesideLoadMs: spreadOf(latencies),
    },
    [],
  )
} finally {
  await hub.stop('SIGTERM')
  await rm(dataDir, { recursive: true, force: true })
}
