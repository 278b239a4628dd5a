/**
 * Players on one camera: through the gate, and on node-media-server alone, in one run with the same stream and the same
 * players, which live in a process of their own. What is measured is the processor time of the serving process.
 *
 *   npm run bench -- viewers [--players 240] [--seconds 10] [--rounds 2] [--stalled-seconds 90]
 *
 * Both are measured with nobody watching, then with a quarter of the players and with all of them, in turn, `rounds` times.
 * What a process takes with nobody watching is left out: a hub is a broker and a store too. A line through the two
 * other points says what a player costs, and what the stream costs whoever plays it; from the lines follows how many
 * players the gate serves for what node-media-server takes for all of them, and for a whole core, which is reckoned and
 * not measured. Then a tenth of the gate's players stop reading for a while.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { edgeTopics, type Grant, type RelayCommand } from '@patrolhub/protocol'
import { connectAsync } from 'mqtt'
import { openRelational } from '../../server/src/adapters/relational/open.ts'
import { loadConfig } from '../../server/src/config.ts'
import { signIn } from '../../server/test/support/dashboard-session.ts'
import { createEdge, freshFolder, silent, startHubProcess, testEnv } from '../../server/test/support/hub.ts'
import { encode, endEncoder, WarmEdge } from '../../server/test/support/streams.ts'
import { report } from '../support/bench.ts'
import { cpuSeconds } from '../support/cpu-time.ts'
import type { PlayersOrder, PlayersReport } from '../support/flv-players.ts'

const { values } = parseArgs({
  options: {
    players: { type: 'string', default: '240' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '2' },
    'stalled-seconds': { type: 'string', default: '90' },
  },
})
const most = Number(values.players)
const seconds = Number(values.seconds)
const rounds = Number(values.rounds)
const stalledSeconds = Number(values['stalled-seconds'])
if (!(most >= 8) || !(seconds >= 1) || !(rounds >= 1) || !(stalledSeconds >= 1)) {
  throw new Error('--players takes at least 8, the others a number above 0')
}
const few = Math.round(most / 4)
const PLAYERS_A_USER = 30
const SETTLE_MS = 3000
const REGION = '410502003'
const EDGE_ID = 'edge-bench'
const CAMERA_ID = 'cam-bench'
const SHARE_BAR = 0.85
/** The stalled ones' share of the stream alone is 360 MB a minute; garbage comes and goes by some. */
const SLOPE_BAR_MB = 10
const STREAM = { bitrate: '2M' } as const

type Player = PlayersOrder['players'][number]
interface Server {
  pid: number
  players(count: number): Player[]
}

function support(name: string): ChildProcess {
  return fork(new URL(`../support/${name}.ts`, import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function answer<T>(child: ChildProcess, message: PlayersOrder | 'report'): Promise<T> {
  child.send(message)
  const [said] = (await once(child, 'message')) as [T & { failure?: string }]
  if (said.failure) throw new Error(said.failure)
  return said
}

const stack = new AsyncDisposableStack()

async function startGate(): Promise<Server> {
  const dataDir = await freshFolder()
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const token = await createEdge(dataDir, EDGE_ID, REGION)
  const relational = await openRelational(loadConfig({ env: testEnv(dataDir) }), silent)
  const camera = {
    ...{ device_id: CAMERA_ID, edge_id: EDGE_ID, kind: 'camera' as const, region: REGION, name: 'Bench' },
    ...{ sensitivity: 'public', description: '{}', health: null, updated_at_ms: Date.now() },
  }
  await relational.write.insertInto('device').values(camera).execute()
  await relational.close()
  const hub = await startHubProcess(testEnv(dataDir))
  stack.defer(async () => void (await hub.stop('SIGTERM')))
  const url = `http://127.0.0.1:${hub.httpPort}`
  const mqtt = await connectAsync(`mqtt://127.0.0.1:${hub.mqttPort}`, {
    clientId: EDGE_ID,
    username: EDGE_ID,
    password: token,
  })
  stack.defer(() => mqtt.endAsync(true))
  await mqtt.subscribeAsync(edgeTopics.relay(EDGE_ID))
  const warm = new WarmEdge(
    {
      url,
      onRelay: (listener) =>
        mqtt.on('message', (_topic, payload) =>
          listener(EDGE_ID, JSON.parse(payload.toString()) as RelayCommand),
        ),
    },
    { edgeId: EDGE_ID, authorization: `Basic ${Buffer.from(`${EDGE_ID}:${token}`).toString('base64')}` },
    CAMERA_ID,
    STREAM,
  )
  stack.defer(() => warm.close())
  await warm.ready.promise
  const admin = await signIn(url, 'admin', /admin \/ (\S+)/.exec(hub.lines.join('\n'))![1]!)
  const ways: Player[] = []
  for (let user = 0; user * PLAYERS_A_USER < most; user += 1) {
    const wish = { username: `viewer-${user}`, displayName: 'Viewer', role: 'operator', scope: '410502' }
    const { json } = await admin.ask('POST', '/api/users', wish)
    const viewer = await signIn(url, wish.username, (json as { oneTimePassword: string }).oneTimePassword)
    const asked = { cameraId: CAMERA_ID, purpose: 'alert_check', minutes: 60 }
    const grant = (await viewer.ask('POST', '/api/grants', asked)).json as Grant
    const way = { url: url + grant.cameras[0]!.playPath!, cookie: viewer.cookie }
    ways.push(...Array.from({ length: PLAYERS_A_USER }, () => way))
  }
  return { pid: hub.child.pid!, players: (count) => ways.slice(0, count) }
}

async function startBare(): Promise<Server> {
  const child = support('bare-media-server')
  stack.defer(() => endProcess(child))
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  const url = `http://127.0.0.1:${port}/live/camera.flv`
  let encoder: ReturnType<typeof encode> | undefined
  stack.defer(() => (encoder ? endEncoder(encoder) : undefined))
  return {
    pid: child.pid!,
    players(count) {
      // As at the gate, nothing is published before somebody watches.
      encoder ??= encode(['-method', 'POST', '-chunked_post', '1', url], STREAM)
      return Array.from({ length: count }, () => ({ url, cookie: '' }))
    },
  }
}

interface Measured extends PlayersReport {
  /** Processor time of the server in a second, ms. */
  cpuMsPerSecond: number
}

/** Serves so many players for `seconds`. `during` is called once they play. */
async function measure(
  server: Server,
  count: number,
  { stalled = 0, forSeconds = seconds }: { stalled?: number; forSeconds?: number } = {},
  during: (forMs: number) => Promise<void> = (forMs) => delay(forMs),
): Promise<Measured> {
  const child = support('flv-players')
  try {
    await answer(child, { players: server.players(count), stalled })
    await delay(SETTLE_MS)
    await answer(child, 'report')
    const began = performance.now()
    const before = cpuSeconds(server.pid)
    await during(forSeconds * 1000)
    const used = cpuSeconds(server.pid) - before
    const passedMs = performance.now() - began
    const seen = await answer<PlayersReport>(child, 'report')
    return { ...seen, cpuMsPerSecond: (used * 1e6) / passedMs }
  } finally {
    await endProcess(child)
  }
}

/** What a server takes with nobody watching, CPU ms a second. */
async function measureIdle(server: Server): Promise<number> {
  const before = cpuSeconds(server.pid)
  await delay(seconds * 1000)
  return ((cpuSeconds(server.pid) - before) * 1000) / seconds
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length
const round = (value: number, digits = 1) => Math.round(value * 10 ** digits) / 10 ** digits

/** CPU ms a second with nobody watching, for the stream, and for each player. */
function lineThrough({ idle, few: atFew, most: atMost }: Record<Load, number[]>) {
  const perPlayer = (mean(atMost) - mean(atFew)) / (most - few)
  return { idle: mean(idle), stream: mean(atFew) - perPlayer * few - mean(idle), perPlayer }
}

/** How many players a server has for so many CPU ms a second above its idling. */
function playersFor(budget: number, { stream, perPlayer }: ReturnType<typeof lineThrough>): number {
  return (budget - stream) / perPlayer
}

const rounded = ({ idle, stream, perPlayer }: ReturnType<typeof lineThrough>) => ({
  idle: round(idle),
  stream: round(stream),
  perPlayer: round(perPlayer, 3),
})

/** Memory that a process holds, MB. */
function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

/** By least squares, MB a minute. */
function slopeOf(samples: readonly { atMs: number; mb: number }[]): number {
  const atMs = mean(samples.map((sample) => sample.atMs))
  const mb = mean(samples.map((sample) => sample.mb))
  const over = samples.reduce((sum, sample) => sum + (sample.atMs - atMs) * (sample.mb - mb), 0)
  const under = samples.reduce((sum, sample) => sum + (sample.atMs - atMs) ** 2, 0)
  return (over / under) * 60_000
}

type Load = 'idle' | 'few' | 'most'
const noFigures = (): Record<Load, number[]> => ({ idle: [], few: [], most: [] })
const cpu = { gate: noFigures(), bare: noFigures() }
let quiet!: Measured
let stalled!: Measured
const memory: { atMs: number; mb: number }[] = []
try {
  const servers = { gate: await startGate(), bare: await startBare() }
  for (const name of ['gate', 'bare'] as const) cpu[name].idle.push(await measureIdle(servers[name]))
  for (let number = 0; number < rounds; number += 1) {
    for (const size of ['few', 'most'] as const) {
      for (const name of ['gate', 'bare'] as const) {
        const count = size === 'few' ? few : most
        const seen = await measure(servers[name], count)
        cpu[name][size].push(seen.cpuMsPerSecond)
        if (name === 'gate' && size === 'most') quiet = seen
        console.log(
          `${name} ${count} players: ${round(seen.cpuMsPerSecond)} ms/s, ${JSON.stringify(seen.pictures)} pictures, ` +
            `${seen.missing} missing, ${round((seen.megabytes * 8) / seconds / count, 2)} Mbit/s each`,
        )
      }
    }
  }
  const tenth = Math.round(most / 10)
  const options = { stalled: tenth, forSeconds: stalledSeconds }
  stalled = await measure(servers.gate, most, options, async (forMs) => {
    const began = performance.now()
    for (let atMs = 0; atMs < forMs; atMs = performance.now() - began) {
      memory.push({ atMs, mb: residentMb(servers.gate.pid) })
      await delay(500)
    }
  })
  console.log(`gate, ${tenth} of them stalled: ${JSON.stringify(stalled)}`)
} finally {
  await stack.disposeAsync()
}
const lines = { gate: lineThrough(cpu.gate), bare: lineThrough(cpu.bare) }
const budget = mean(cpu.bare.most) - lines.bare.idle
const share = playersFor(budget, lines.gate) / most
const shareOfCore = playersFor(1000, lines.gate) / playersFor(1000, lines.bare)
// The first third of the time fills what the stalled may hold.
const slope = slopeOf(memory.slice(Math.floor(memory.length / 3)))
report(
  'viewers',
  {
    players: { few, most },
    cpuMsPerSecond: { gate: rounded(lines.gate), bare: rounded(lines.bare) },
    playersForTheSameCpu: round(share * most),
    share: round(share, 3),
    shareForACore: round(shareOfCore, 3),
    withoutStall: { missing: quiet.missing, longestPauseMs: quiet.longestPauseMs },
    tenthStalled: {
      missing: stalled.missing,
      longestPauseMs: stalled.longestPauseMs,
      readersCut: stalled.ended.readers,
      stalledCut: stalled.ended.stalled,
      memoryMb: { first: round(memory[0]!.mb), last: round(memory.at(-1)!.mb) },
      memorySlopeMbPerMinute: round(slope, 2),
    },
  },
  [
    {
      name: 'players for the same CPU, reckoned for a core',
      value: round(shareOfCore, 3),
      unit: 'share',
      bar: SHARE_BAR,
      ok: shareOfCore >= SHARE_BAR,
    },
    {
      name: 'players for the same CPU',
      value: round(share, 3),
      unit: 'share',
      bar: SHARE_BAR,
      ok: share >= SHARE_BAR,
    },
    {
      name: 'pictures missing at players beside stalled ones',
      value: stalled.missing,
      unit: 'pictures',
      bar: 0,
      ok: stalled.missing === 0 && stalled.ended.readers === 0,
    },
    {
      name: 'growth of memory with a tenth stalled',
      value: round(slope, 2),
      unit: 'MB/min',
      bar: SLOPE_BAR_MB,
      ok: slope <= SLOPE_BAR_MB,
    },
  ],
)
