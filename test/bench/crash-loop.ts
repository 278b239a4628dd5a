/**
 * Crashes under load: two hubs on real engines, one of the hubs killed 50 times in turn, Mosquitto and PostgreSQL now
 * and then as well, while edges go on journalling. In the end every record that an edge has journalled is stored once,
 * and every screen was told of each alert once.
 *
 *   npm run bench -- crash-loop [KILLS]
 */
import { setTimeout as delay } from 'node:timers/promises'
import { report, spreadOf } from '../support/bench.ts'
import { missingEngines, startTopology } from '../support/topology.ts'

const KILLS = Number(process.argv[2] ?? 50)
const EDGES = 6
const PASSAGES = 50
const LOAD_EVERY_MS = 150
const SETTLE_MS = 120_000
const ENGINE_EVERY = 10

const missing = await missingEngines()
if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`)

const topology = await startTopology()
try {
  await run()
} finally {
  await topology.close()
}

async function run(): Promise<void> {
  const edges = await topology.addEdges(EDGES)
  const screens = [topology.screen(), topology.screen()]
  const state = { isOver: false }
  const load = (async () => {
    while (!state.isOver) {
      await Promise.all(edges.map((edge) => edge.work(PASSAGES)))
      await delay(LOAD_EVERY_MS)
    }
  })()
  const startedMs = performance.now()
  const takeOverMs: number[] = []
  let brokerKills = 0
  let databaseKills = 0
  for (let kill = 1; kill <= KILLS; kill++) {
    const hub = topology.hubs[kill % 2]!
    const other = topology.hubs[(kill + 1) % 2]!
    // Not at the same place of a batch each time.
    await delay(Math.random() * 500)
    const wasLeader = (await hub.metric('runs_timers')) === 1
    const killedMs = performance.now()
    await hub.kill()
    if (kill % ENGINE_EVERY === 0) {
      await topology.mosquitto.kill()
      brokerKills++
      await delay(Math.random() * 500)
      await topology.mosquitto.start()
    } else if (kill % ENGINE_EVERY === ENGINE_EVERY / 2) {
      databaseKills++
      await topology.postgres.crash()
    }
    if (wasLeader) {
      while ((await other.metric('runs_timers')) !== 1) await delay(50)
      takeOverMs.push(performance.now() - killedMs)
    }
    await hub.start()
    process.stderr.write(`kill ${kill} of ${KILLS}\n`)
  }
  const crashingSeconds = (performance.now() - startedMs) / 1000
  state.isOver = true
  await load

  const waiting = () => edges.reduce((sum, edge) => sum + edge.waiting, 0)
  const settledFromMs = performance.now()
  while (waiting() > 0 && performance.now() - settledFromMs < SETTLE_MS) await delay(50)
  const settleSeconds = (performance.now() - settledFromMs) / 1000

  const stored = await topology.stored()
  const ids = edges.flatMap((edge) => edge.alertIds)
  const storedIds = new Set(stored.alertIds)
  const passages = edges.reduce((sum, edge) => sum + edge.passages, 0)
  const heardBy = (screen: (typeof screens)[number]) => screen.alerts.size + screen.omitted
  while (
    screens.some((screen) => heardBy(screen) < ids.length) &&
    performance.now() - settledFromMs < SETTLE_MS
  )
    await delay(50)

  const bars = [
    ['records without acknowledgement', waiting()],
    ['alerts missing', ids.filter((alertId) => !storedIds.has(alertId)).length],
    ['alerts doubled', stored.alertIds.length - storedIds.size + (stored.alertsInIncidents - ids.length)],
    ['passages missing', Math.max(0, passages - stored.passages)],
    ['passages doubled', Math.max(0, stored.passages - passages)],
    ['records set aside', stored.setAside.length],
    [
      'alerts that a screen was not told of',
      sum(screens.map((screen) => Math.max(0, ids.length - heardBy(screen)))),
    ],
    ['alerts that a screen was told of twice', sum(screens.map((screen) => twice(screen.alerts)))],
  ] as const
  const figures = {
    hubKills: KILLS,
    brokerKills,
    databaseKills,
    edges: EDGES,
    alerts: ids.length,
    passages,
    crashingSeconds: round(crashingSeconds),
    settleSeconds: round(settleSeconds),
    takeOverSeconds: secondsOf(spreadOf(takeOverMs)),
    screenConnections: screens.map(({ connections }) => connections),
    alertsOmittedFromBursts: screens.map(({ omitted }) => omitted),
    setAside: stored.setAside,
    screenResets: screens.map(({ resets }) => resets),
  }
  report(
    'crash-loop',
    figures,
    bars.map(([name, value]) => ({ name, value, unit: 'records', bar: 0, ok: value === 0 })),
  )
}

function twice(times: ReadonlyMap<string, number>): number {
  return [...times.values()].filter((count) => count > 1).length
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function secondsOf({ count, p50, max }: ReturnType<typeof spreadOf>) {
  return { count, p50: p50 === null ? null : round(p50 / 1000), max: max === null ? null : round(max / 1000) }
}
