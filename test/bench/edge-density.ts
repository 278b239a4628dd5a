/**
 * What a camera costs an edge. Cameras 1080p25, at most 4 Mbit/s, GOP 2 s, from GStreamer's RTSP server (not counted);
 * a quiet and a busy scene; the whole edge against ffmpeg that decodes every picture and against Debian's `motion`.
 *
 *   npm run bench -- edge-density [--cameras 1,4,16] [--seconds N] [--parts density,detector,entrance] [--rounds N]
 *
 * A round of entrances takes two minutes and begins at another place of a group of pictures; five cover a group.
 *
 * CPU-ms a video-second a camera: user and system time of the whole process trees, from /proc, by the cameras and the
 * time that passed. Where all cores were busy a program has not kept up, and the figure is too low: such rows say so.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { CameraHealth } from '@patrolhub/protocol'
import pino from 'pino'
import { DetectorPool } from '../../edge/src/detect/detector-pool.ts'
import { bestModel, renderedFrame } from '../../edge/test/detect/real-input.ts'
import { startGstCamera } from '../../edge/test/support/gst-rtsp.ts'
import { type Bar, report, spreadOf } from '../support/bench.ts'
import { cpuSeconds } from '../support/cpu-time.ts'
import { type Entrances, playEntrances } from './edge-density/entrances.ts'
import { type Program, startProgram } from './edge-density/programs.ts'
import { type RateControl, type SceneName, sceneFile } from './edge-density/scenes.ts'

const { values } = parseArgs({
  options: {
    cameras: { type: 'string', default: '1,4,16' },
    seconds: { type: 'string', default: '15' },
    parts: { type: 'string', default: 'density,detector,entrance' },
    rounds: { type: 'string', default: '5' },
  },
})
const counts = values.cameras.split(',').map(Number)
const seconds = Number(values.seconds)
const rounds = Number(values.rounds)
const parts = new Set(values.parts.split(','))
if (!(seconds >= 2 && seconds <= 15) || !counts.every((count) => count >= 1 && count <= 64))
  throw new Error('--seconds takes 2 to 15, --cameras numbers from 1 to 64 with commas between them')
if (!(rounds >= 1 && rounds <= 8)) throw new Error('--rounds takes 1 to 8')

/** Until everything has connected and knows the scene. */
const SETTLE_SECONDS: Readonly<Record<Program, number>> = { edge: 30, ffmpeg: 5, motion: 6 }
/** An edge with little to do has also to have done it so often that its code is compiled, which happens once. */
const SETTLE_QUIET_EDGE_SECONDS = 90
/** Each camera more takes its time to connect. */
const SETTLE_SECONDS_A_CAMERA = 0.4
/**
 * Before a quiet scene the edge now and then looks in vain: it is measured for so long, whatever `--seconds` says. The
 * scene lasts longer than that and the time to settle.
 */
const LOOK_SECONDS = 60
/** Whoever decodes everything and uses less, CPU-ms a video-second, has got no pictures. */
const LEAST_TO_DECODE = 40
const QUIET_BAR = 30
const BUSY_BAR = 200
const THROUGHPUT_BAR = 0.9
const DETECTOR_TURNS = 5
const ENTRANCE_BAR_MS = 1500
/** By so much each round begins later. */
const ROUND_CUT_MS = 400
/** A figure is allowed to differ by this part between one camera and many. */
const GROWTH_BAR = 1.1

interface Row {
  scene: SceneName
  rate: RateControl
  cameras: number
  program: Program
  cpuMs: number
  /** False when the machine had no time left, or not all cameras were read. */
  hasKeptUp: boolean
  health?: { online: number; analysedPerSecond: number; dropped: number; decodedShare: number }
}

const log = pino({ level: 'silent' })
const model = await bestModel()
const bars: Bar[] = []
const programs: Program[] = ['edge', 'ffmpeg']
if (!spawnSync('motion', ['-h']).error) programs.push('motion')
else console.log("Debian's motion is missing (apt-get install motion): it is left out.")

async function measure(scene: SceneName, rate: RateControl, cameras: number, program: Program): Promise<Row> {
  const file = await sceneFile(scene, rate)
  const folder = mkdtempSync(join(tmpdir(), 'patrolhub-bench-'))
  const server = await startGstCamera({ clip: file, untouched: true })
  const running = startProgram(program, Array<string>(cameras).fill(server.url), folder)
  try {
    const isQuietEdge = program === 'edge' && scene === 'quiet'
    const settleSeconds = isQuietEdge ? SETTLE_QUIET_EDGE_SECONDS : SETTLE_SECONDS[program]
    await delay((settleSeconds + SETTLE_SECONDS_A_CAMERA * cameras) * 1000)
    const usedBefore = used(running.pids)
    const beganMs = performance.now()
    await delay((isQuietEdge ? LOOK_SECONDS : seconds) * 1000)
    const passed = (performance.now() - beganMs) / 1000
    const cpu = used(running.pids) - usedBefore
    const failure = running.failure()
    if (failure) throw new Error(`${program} failed: ${failure}`)
    // The journal belongs to the edge alone for as long as it runs.
    await running.stop()
    const row: Row = {
      scene,
      rate,
      cameras,
      program,
      cpuMs: Math.round((10_000 * cpu) / passed / cameras) / 10,
      hasKeptUp: cpu / passed < 0.9 * availableParallelism(),
      ...(program === 'edge' ? { health: healthOf(join(folder, 'data', 'journal.sqlite')) } : {}),
    }
    const hasAll = row.health ? row.health.online === cameras : row.cpuMs >= LEAST_TO_DECODE
    if (!hasAll) row.hasKeptUp = false
    const more = row.health
      ? `  decoded ${Math.round(100 * row.health.decodedShare)} %, ${row.health.analysedPerSecond} frames/s detected`
      : ''
    const note = row.hasKeptUp ? '' : '  (it has not kept up)'
    console.log(
      `  ${scene.padEnd(6)} ${rate}  ${String(cameras).padStart(2)} × ${program.padEnd(7)} ${String(row.cpuMs).padStart(6)}${more}${note}`,
    )
    return row
  } finally {
    await running.stop()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const used = (pids: readonly number[]) => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)

/** From the last two health records of the edge: means of its cameras. */
function healthOf(journal: string): NonNullable<Row['health']> {
  const db = new DatabaseSync(journal, { readOnly: true })
  const rows = db.prepare('SELECT payload FROM measurements ORDER BY seq DESC LIMIT 100').all()
  db.close()
  const records = rows
    .map(
      ({ payload }) => JSON.parse(String(payload)) as { kind: string; atMs: number; cameras: CameraHealth[] },
    )
    .filter(({ kind }) => kind === 'health')
  const last = records[0]
  const before = records[1]
  if (!last || !before) throw new Error('the edge has journalled no health')
  const mean = (numbers: number[]) =>
    numbers.reduce((sum, each) => sum + each, 0) / Math.max(1, numbers.length)
  const passed = (last.atMs - before.atMs) / 1000
  const gained = last.cameras.map(
    ({ framesAnalysed }, index) => framesAnalysed - (before.cameras[index]?.framesAnalysed ?? 0),
  )
  return {
    online: last.cameras.filter(({ state }) => state === 'online').length,
    analysedPerSecond: Math.round((10 * mean(gained)) / passed) / 10,
    dropped: last.cameras.reduce((sum, { framesDropped }) => sum + framesDropped, 0),
    decodedShare: mean(last.cameras.map(({ decodedShare }) => decodedShare ?? 1)),
  }
}

async function density(): Promise<Row[]> {
  console.log('CPU-ms a video-second a camera')
  const rows: Row[] = []
  for (const scene of ['quiet', 'busy'] as const) {
    for (const cameras of counts) {
      for (const program of programs) rows.push(await measure(scene, 'cbr', cameras, program))
    }
  }
  rows.push(await measure('quiet', 'vbr', counts[0]!, 'edge'))
  const edge = rows.filter(({ program, rate }) => program === 'edge' && rate === 'cbr')
  for (const { scene, cameras, cpuMs, hasKeptUp } of edge) {
    const bar = scene === 'quiet' ? QUIET_BAR : BUSY_BAR
    // An edge that leaves frames out is cheap by what it does not do.
    const name = `${scene}, ${cameras} cameras${hasKeptUp ? '' : ' (more than this machine serves)'}`
    bars.push({ name, value: cpuMs, unit: 'CPU-ms/s', bar, ok: hasKeptUp && cpuMs <= bar })
  }
  const quiet = edge.filter(({ scene }) => scene === 'quiet')
  const growth = quiet.at(-1)!.cpuMs / quiet[0]!.cpuMs
  bars.push({ name: 'growth, quiet', value: growth, unit: '×', bar: GROWTH_BAR, ok: growth <= GROWTH_BAR })
  return rows
}

/** Frames a second of the pool, kept full, and of the bare model on as many threads; each is the median of its turns. */
async function detector(): Promise<{ threads: number; pool: number; bare: number }> {
  const threads = Math.max(1, availableParallelism() - 1)
  const pool = new DetectorPool({ model, workers: threads, log })
  await pool.start(new AbortController().signal)
  const { widthPx, heightPx } = pool.frameFormat
  const bareRate = async () => {
    const workerData = { path: model.path, input: model.entry.input.name, widthPx, heightPx, seconds: 4 }
    const each = Array.from({ length: threads }, async () => {
      const worker = new Worker(new URL('./edge-density/bare-session.ts', import.meta.url), { workerData })
      return await new Promise<number>((resolve, reject) =>
        worker.once('message', resolve).once('error', reject),
      )
    })
    return (await Promise.all(each)).reduce((sum, rate) => sum + rate, 0)
  }
  const poolRate = async () => {
    const frames = Array.from({ length: 2 * threads }, (_, index) =>
      renderedFrame(`cam-${index}`, pool.frameFormat),
    )
    const beganMs = performance.now()
    let done = 0
    await Promise.all(
      frames.map(async (frame) => {
        while (performance.now() - beganMs < 4000) if (await pool.submit(frame)) done += 1
      }),
    )
    return (done * 1000) / (performance.now() - beganMs)
  }
  // In turn, so that what else the machine does falls on both.
  const rates = { bare: [] as number[], pool: [] as number[] }
  for (let turn = 0; turn < DETECTOR_TURNS; turn += 1) {
    rates.bare.push(await bareRate())
    rates.pool.push(await poolRate())
  }
  await pool.close()
  const figures = { threads, pool: spreadOf(rates.pool).p50!, bare: spreadOf(rates.bare).p50! }
  const share = figures.pool / figures.bare
  console.log(
    `detector: ${figures.pool.toFixed(1)} frames/s, bare model ${figures.bare.toFixed(1)}, ${threads} threads`,
  )
  bars.push({
    name: 'detector throughput',
    value: share,
    unit: '×',
    bar: THROUGHPUT_BAR,
    ok: share >= THROUGHPUT_BAR,
  })
  return figures
}

async function entrance(): Promise<{ entrances: Entrances[]; latencyMs: object }> {
  console.log('people who enter a quiet scene')
  const rates = ['vbr', 'cbr'] as const
  const entrances: Entrances[] = []
  for (let round = 0; round < rounds; round += 1) {
    const cutMs = round * ROUND_CUT_MS
    for (const rate of rates) await sceneFile('entrances', rate, cutMs)
    entrances.push(
      ...(await Promise.all(
        rates.map((rate) => playEntrances({ rate, cutMs, decode: 'needed', model, log })),
      )),
    )
  }
  for (const { rate, cutMs, found, decodedShare } of entrances) {
    const each = found.map(
      ({ enteredMs, latencyMs, wasAsleep }) =>
        `${enteredMs / 1000} s: ${latencyMs ?? 'none'}${wasAsleep ? '' : ' (awake)'}`,
    )
    console.log(`  ${rate} ${cutMs}  ${each.join(', ')} ms; decoded ${Math.round(100 * decodedShare)} %`)
  }
  const all = entrances.flatMap(({ found }) =>
    found.map(({ latencyMs }) => latencyMs ?? Number.POSITIVE_INFINITY),
  )
  const spread = spreadOf(all)
  const p95 = spread.p95 ?? Number.POSITIVE_INFINITY
  bars.push({
    name: 'entrance p95',
    value: p95,
    unit: 'ms',
    bar: ENTRANCE_BAR_MS,
    ok: p95 <= ENTRANCE_BAR_MS,
  })
  return { entrances, latencyMs: spread }
}

const figures = {
  model: model.entry.id,
  ...(parts.has('density') ? { density: await density() } : {}),
  ...(parts.has('detector') ? { detector: await detector() } : {}),
  ...(parts.has('entrance') ? { entrance: await entrance() } : {}),
}
report('edge-density', figures, bars)
