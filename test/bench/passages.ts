/**
 * Passages from the MQTT listener of an edge to committed at the hub: a real edge process, a real hub process, and
 * checkpoints in a third one, on the same machine. First as fast as they are acknowledged, then at the rate to be reached
 * while edge and hub are killed in turn. At the end every passage that the edge has acknowledged to a checkpoint is
 * looked for in the hub's store, one by one.
 *
 *   npm run bench -- passages [--seconds 20] [--checkpoints 24] [--kills 4]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { type EdgeProcess, startEdge } from '../../edge/test/support/edge-process.ts'
import {
  createEdge,
  freshFolder,
  type HubProcess,
  startHubProcess,
  testEnv,
} from '../../server/test/support/hub.ts'
import { report } from '../support/bench.ts'
import { cpuSeconds } from '../support/cpu-time.ts'
import { freePort } from '../support/free-port.ts'
import { type PassageOrder, type PassageReport, readAcknowledged } from '../support/passage-load.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    checkpoints: { type: 'string', default: '24' },
    kills: { type: 'string', default: '4' },
  },
})
const seconds = Number(values.seconds)
const kills = Number(values.kills)
const checkpointIds = Array.from({ length: Number(values.checkpoints) }, (_, index) => `gate-${index}`)

const GOAL_PER_SECOND = 5000
const IN_FLIGHT = 64
const WARM_UP_SECONDS = 3
const SECONDS_A_KILL = 4
const DRAIN_SECONDS = 90
const REGION = '410502003'
const PASSWORD = 'a-password-for-all'

const say = (text: string) => console.log(text)

interface Usage {
  cpuSeconds: number
  memoryMb: number
}

function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const memoryMb = Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1000)
  return { cpuSeconds: cpuSeconds(pid), memoryMb }
}

const folder = await freshFolder()
const hubFolder = join(folder, 'hub')
const [httpPort, mqttPort, intakePort] = [await freePort(), await freePort(), await freePort()]
const hubEnv = testEnv(hubFolder, {
  PATROLHUB_HTTP_PORT: String(httpPort),
  PATROLHUB_MQTT_PORT: String(mqttPort),
})
const edgeFile = join(folder, 'edge.yaml')

async function writeEdgeFile(): Promise<void> {
  const token = await createEdge(hubFolder, 'edge-1', REGION)
  writeFileSync(join(folder, 'hash.key'), '1'.repeat(64))
  writeFileSync(join(folder, 'cipher.key'), '2'.repeat(64))
  const place = { region: REGION, lanes: 4 }
  writeFileSync(
    edgeFile,
    JSON.stringify({
      edgeId: 'edge-1',
      region: REGION,
      healthSeconds: 1,
      dataDir: join(folder, 'edge'),
      hub: { url: `http://127.0.0.1:${httpPort}`, mqttUrl: `mqtt://127.0.0.1:${mqttPort}`, token },
      plates: { hashKeyFile: 'hash.key', cipherKeyFile: 'cipher.key' },
      intake: {
        host: '127.0.0.1',
        port: intakePort,
        devices: checkpointIds.map((deviceId) => ({ deviceId, password: PASSWORD })),
      },
      checkpoints: checkpointIds.map((checkpointId) => ({ ...place, checkpointId, name: checkpointId })),
    }),
  )
}

async function startedEdge(): Promise<EdgeProcess> {
  const edge = startEdge(['--config', edgeFile])
  while (!edge.logged().some(({ msg }) => msg === 'edge started')) {
    if (edge.child.exitCode !== null) throw new Error(`the edge ended: ${edge.output()}`)
    await delay(50)
  }
  return edge
}

/** Passages that the hub has committed since it started; `undefined` while it is away. */
async function committed(): Promise<number | undefined> {
  const text = await fetch(`http://127.0.0.1:${httpPort}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  )
  const line = /^patrolhub_ingest_records_total\{[^}]*kind="passage"[^}]*\} (\S+)$/m.exec(text)
  return text === '' ? undefined : Number(line?.[1] ?? 0)
}

async function ask(load: ChildProcess, message: PassageOrder | 'stop'): Promise<PassageReport | 'running'> {
  const answered = once(load, 'message')
  load.send(message)
  const [answer] = (await answered) as [PassageReport | 'running']
  return answer
}

const startLoad = (perSecond: number, file: string): { load: ChildProcess; order: PassageOrder } => ({
  load: fork(new URL('../support/passage-load.ts', import.meta.url)),
  order: { port: intakePort, password: PASSWORD, checkpointIds, inFlight: IN_FLIGHT, perSecond, file },
})

/**
 * Seconds until the hub has everything that the edge had by now: a health record of the edge is behind all passages before
 * it in the same stream, so one that was made from now on says that they are committed.
 */
async function drained(): Promise<number> {
  const [beganMs, fromMs] = [performance.now(), Date.now()]
  const database = new DatabaseSync(join(hubFolder, 'hub.sqlite'), { readOnly: true })
  try {
    while ((performance.now() - beganMs) / 1000 < DRAIN_SECONDS) {
      const row = database.prepare('select health from edge where edge_id = ?').get('edge-1')
      const { atMs = 0 } = JSON.parse(String(row?.health ?? '{}')) as { atMs?: number }
      if (atMs > fromMs) return (performance.now() - beganMs) / 1000
      await delay(100)
    }
    throw new Error(`the hub has not caught up with the edge in ${DRAIN_SECONDS} s`)
  } finally {
    database.close()
  }
}

async function asFastAsTheyCome(hub: HubProcess, edge: EdgeProcess, file: string) {
  const { load, order } = startLoad(0, file)
  await ask(load, order)
  await delay(WARM_UP_SECONDS * 1000)
  const before = { count: (await committed())!, hub: usageOf(hub.child.pid!), edge: usageOf(edge.child.pid!) }
  const beganMs = performance.now()
  await delay(seconds * 1000)
  const elapsed = (performance.now() - beganMs) / 1000
  const count = (await committed())! - before.count
  const [hubAfter, edgeAfter] = [usageOf(hub.child.pid!), usageOf(edge.child.pid!)]
  const { acknowledged, cpuSeconds: loadCpu } = (await ask(load, 'stop')) as PassageReport
  load.disconnect()
  const drainSeconds = await drained()
  const figures = {
    passagesPerSecond: Math.round(count / elapsed),
    acknowledged,
    edgeCores: (edgeAfter.cpuSeconds - before.edge.cpuSeconds) / elapsed,
    edgeMemoryMb: edgeAfter.memoryMb,
    hubCores: (hubAfter.cpuSeconds - before.hub.cpuSeconds) / elapsed,
    hubMemoryMb: hubAfter.memoryMb,
    loadCores: loadCpu / (elapsed + WARM_UP_SECONDS),
    drainSeconds,
  }
  say(
    `${figures.passagesPerSecond} passages/s committed; edge ${figures.edgeCores.toFixed(2)} cores, ` +
      `${figures.edgeMemoryMb} MB; hub ${figures.hubCores.toFixed(2)} cores, ${figures.hubMemoryMb} MB; ` +
      `load ${figures.loadCores.toFixed(2)} cores; ${figures.drainSeconds.toFixed(1)} s to drain`,
  )
  return figures
}

/** Every passage that was acknowledged, looked for by its checkpoint and its millisecond. */
async function compare(files: readonly string[]) {
  const instance = await DuckDBInstance.create(join(hubFolder, 'points.duckdb'))
  const connection = await instance.connect()
  let [acknowledged, missing, stored, doubled] = [0, 0, 0, 0]
  for (const [index, checkpointId] of checkpointIds.entries()) {
    const rows = await connection.runAndReadAll('select at_ms from passage where device_id = $1', [
      checkpointId,
    ])
    const times = rows.getRows().map(([atMs]) => Number(atMs))
    const known = new Set(times)
    stored += known.size
    doubled += times.length - known.size
    for (const file of files) {
      for (const atMs of readAcknowledged(readFileSync(file))[index] ?? []) {
        acknowledged += 1
        if (!known.has(atMs)) missing += 1
      }
    }
  }
  connection.closeSync()
  instance.closeSync()
  return { acknowledged, missing, stored, doubled }
}

await writeEdgeFile()
let hub = await startHubProcess(hubEnv)
let edge = await startedEdge()
try {
  const files = [join(folder, 'first.f64'), join(folder, 'second.f64')]
  const steady = await asFastAsTheyCome(hub, edge, files[0]!)
  const { load, order } = startLoad(GOAL_PER_SECOND, files[1]!)
  const killingFromMs = performance.now()
  await ask(load, order)
  for (let kill = 0; kill < kills; kill++) {
    await delay(1000 * SECONDS_A_KILL * (0.75 + Math.random() / 2))
    if (kill % 2 === 0) {
      edge.child.kill('SIGKILL')
      await edge.ended
      edge = await startedEdge()
    } else {
      await hub.stop('SIGKILL')
      hub = await startHubProcess(hubEnv)
    }
    say(`kill ${kill + 1} of ${kills}: ${kill % 2 === 0 ? 'the edge' : 'the hub'} is back`)
  }
  const killed = (await ask(load, 'stop')) as PassageReport
  const killingSeconds = (performance.now() - killingFromMs) / 1000
  load.disconnect()
  const drainSeconds = await drained()
  edge.child.kill('SIGTERM')
  await edge.ended
  await hub.stop('SIGTERM')
  const kept = await compare(files)
  say(
    `${kept.acknowledged} acknowledged to checkpoints, ${kept.missing} missing at the hub after ${kills} kills, ` +
      `${kept.doubled} twice (sent again by a checkpoint whose acknowledgement died with the edge)`,
  )
  report(
    'passages',
    {
      seconds,
      checkpoints: checkpointIds.length,
      steady,
      withKills: {
        kills,
        seconds: Math.round(killingSeconds),
        acknowledgedPerSecond: Math.round(killed.acknowledged / killingSeconds),
        drainSeconds,
      },
      ...kept,
    },
    [
      {
        name: 'passages committed',
        value: steady.passagesPerSecond,
        unit: 'passages/s',
        bar: GOAL_PER_SECOND,
        ok: steady.passagesPerSecond >= GOAL_PER_SECOND,
      },
      {
        name: 'acknowledged passages missing after SIGKILLs of edge and hub',
        value: kept.missing,
        unit: 'passages',
        bar: 0,
        ok: kept.missing === 0 && kept.acknowledged > 0,
      },
    ],
  )
} finally {
  edge.child.kill('SIGKILL')
  hub.child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}
