/**
 * What a durable append costs: in the worker thread, and for comparison with the same group commit on the main thread.
 * Latency at a steady pace, throughput at full speed and the worst delay of the event loop.
 *
 *   npm run bench -- journal
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type PassageRecord, streamOf } from '@patrolhub/protocol'
import { pino } from 'pino'
import { Journal } from '../../edge/src/journal/journal.ts'
import { JournalFile } from '../../edge/src/journal/journal-file.ts'
import { report } from '../support/bench.ts'

const SECONDS = 5
console.log(`Durable appends to an edge's journal, each way for 2 x ${SECONDS} s.`)
const MAX_BYTES = 2 * 1024 ** 3

interface Appender {
  append(record: PassageRecord): Promise<unknown>
  close(): Promise<void>
}

function passage(index: number): PassageRecord {
  return {
    kind: 'passage',
    atMs: 1_760_000_000_000 + index,
    deviceId: 'checkpoint-east-gate',
    region: '410502003',
    lane: index % 4,
    speedKmh: 40 + (index % 30),
    vehicleClass: 'K33',
    plateColour: 'blue',
    plateHash: index.toString(16).padStart(64, '0'),
  }
}

/** The same file and the same group commit, on the calling thread. */
function onMainThread(dataDir: string): Appender {
  const file = new JournalFile(dataDir, { maxBytes: MAX_BYTES })
  let waiting: { record: PassageRecord; resolve: () => void }[] = []
  return {
    append: (record) =>
      new Promise<void>((resolve) => {
        if (waiting.length === 0) {
          setImmediate(() => {
            const batch = waiting
            waiting = []
            file.commit(
              batch.map((item) => ({ stream: streamOf('passage'), payload: JSON.stringify(item.record) })),
            )
            for (const item of batch) item.resolve()
          })
        }
        waiting.push({ record, resolve })
      }),
    close: async () => file.close(),
  }
}

async function inWorker(dataDir: string): Promise<Appender> {
  const journal = new Journal({ dataDir, maxBytes: MAX_BYTES, log: pino({ level: 'silent' }) })
  await journal.start()
  return journal
}

const percentile = (sorted: number[], p: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]!
const round = (value: number) => Math.round(value * 100) / 100

async function measure(name: string, open: (dataDir: string) => Promise<Appender> | Appender) {
  const dataDir = mkdtempSync(join(tmpdir(), 'patrolhub-bench-'))
  const appender = await open(dataDir)
  const loop = monitorEventLoopDelay({ resolution: 1 })
  loop.enable()

  // A steady pace, as of a busy checkpoint: one record every 5 ms.
  const latenciesMs: number[] = []
  const paced: Promise<void>[] = []
  const pacedUntil = performance.now() + SECONDS * 1000
  let index = 0
  while (performance.now() < pacedUntil) {
    const at = performance.now()
    paced.push(appender.append(passage(index++)).then(() => void latenciesMs.push(performance.now() - at)))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.all(paced)
  latenciesMs.sort((a, b) => a - b)
  const pacedLoopMs = loop.max / 1e6
  loop.reset()

  // Full speed: 1,000 appends always under way.
  const before = index
  const start = performance.now()
  const burst = async () => {
    while (performance.now() - start < SECONDS * 1000) await appender.append(passage(index++))
  }
  await Promise.all(Array.from({ length: 1000 }, burst))
  const perSecond = (index - before) / ((performance.now() - start) / 1000)
  loop.disable()
  await appender.close()
  rmSync(dataDir, { recursive: true, force: true })
  return {
    name,
    durableMsP50: round(percentile(latenciesMs, 0.5)),
    durableMsP99: round(percentile(latenciesMs, 0.99)),
    appendsPerSecond: Math.round(perSecond),
    worstLoopDelayMsPaced: round(pacedLoopMs),
    worstLoopDelayMsFull: round(loop.max / 1e6),
  }
}

const results = [await measure('worker thread', inWorker), await measure('main thread', onMainThread)]
for (const { name, ...figures } of results) console.log(`${name}: ${JSON.stringify(figures)}`)
report('journal', { results }, [])
