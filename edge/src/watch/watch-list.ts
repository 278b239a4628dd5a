/**
 * Plates that are looked for: matches passages by their keyed hash, at this box, whether or not the hub can be reached.
 * The newest list of the hub is kept on the disk. A hit is told of once a minute for each plate and checkpoint.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AlertRecord,
  covers,
  jsonParser,
  type PassageRecord,
  type Watched,
  WatchListForEdge,
} from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { CheckpointConfig } from '../config.ts'
import { deviceAlert } from '../device-alert.ts'
import { writeDurably } from '../durable-file.ts'

const NAME = 'watch-list.json'
const COOL_DOWN_MS = 60_000
/** What passed longer ago than this is history: it is stored like any passage, and nobody is sent out. */
const FRESH_MS = 10 * 60_000

const parseList = jsonParser(WatchListForEdge)

export class WatchList {
  readonly #dataDir: string
  readonly #log: Logger
  #sha256 = ''
  #byHash = new Map<string, Watched[]>()
  /** When a plate was last told of at a checkpoint, wall clock. */
  readonly #toldAtMs = new Map<string, number>()

  constructor(options: { dataDir: string; log: Logger }) {
    this.#dataDir = options.dataDir
    this.#log = options.log.child({ component: 'watch' })
  }

  /** Of the list that is in force; empty before the first. */
  get sha256(): string {
    return this.#sha256
  }

  /** Takes up what an earlier run had; a damaged file counts as none, and the hub gives it again. */
  async start(): Promise<void> {
    const text = await readFile(join(this.#dataDir, NAME), 'utf8').catch(() => undefined)
    if (text === undefined) return
    const parsed = parseList(text)
    if (parsed.ok) this.#take(parsed.value)
    else this.#log.error({ problems: parsed.problems }, 'the watch list on the disk is damaged')
  }

  /** In force once it is on the disk. */
  async replace(list: WatchListForEdge): Promise<void> {
    await writeDurably(this.#dataDir, NAME, Buffer.from(JSON.stringify(list)))
    this.#take(list)
    this.#log.info({ entries: list.entries.length }, 'the watch list has changed')
  }

  /** Alerts for those of these passages that are looked for; they have just come. */
  hits(checkpoint: CheckpointConfig, passages: readonly PassageRecord[]): AlertRecord[] {
    if (this.#byHash.size === 0) return []
    const nowMs = Date.now()
    return passages.flatMap((passage) => {
      if (passage.plateHash === undefined || nowMs - passage.atMs > FRESH_MS) return []
      const watched = this.#byHash.get(passage.plateHash)?.find((entry) => {
        const { beginAtMs, endAtMs, region } = entry
        return nowMs >= beginAtMs && nowMs < endAtMs && covers(region, checkpoint.region)
      })
      return watched && this.#mayTell(watched, checkpoint, nowMs)
        ? [alertOf(watched, checkpoint, passage)]
        : []
    })
  }

  #mayTell({ entryId }: Watched, { checkpointId }: CheckpointConfig, nowMs: number): boolean {
    const key = `${entryId} ${checkpointId}`
    const sinceMs = nowMs - (this.#toldAtMs.get(key) ?? Number.NEGATIVE_INFINITY)
    // A clock that was set back must not silence it.
    if (sinceMs >= 0 && sinceMs < COOL_DOWN_MS) return false
    this.#toldAtMs.set(key, nowMs)
    return true
  }

  #take({ sha256, entries }: WatchListForEdge): void {
    this.#sha256 = sha256
    this.#byHash = Map.groupBy(entries, ({ plateHash }) => plateHash)
    for (const key of this.#toldAtMs.keys()) {
      if (!entries.some(({ entryId }) => key.startsWith(entryId))) this.#toldAtMs.delete(key)
    }
  }
}

/** Neither the plate nor its hash is in it: an alert is seen by many. */
function alertOf(watched: Watched, checkpoint: CheckpointConfig, passage: PassageRecord): AlertRecord {
  const { reason, instruction, severity, entryId } = watched
  const { lane, speedKmh, direction } = passage
  const what = instruction === '' ? reason : `${reason}; ${instruction}`
  return deviceAlert({
    atMs: passage.atMs,
    deviceId: checkpoint.checkpointId,
    deviceKind: 'checkpoint',
    region: checkpoint.region,
    rule: 'watch-list',
    ruleName: reason.slice(0, 80),
    severity,
    score: 1,
    reason: `A vehicle on the watch list passed ${checkpoint.name} in lane ${lane}: ${what}.`,
    facts: {
      entryId,
      lane,
      why: reason,
      instruction,
      ...(speedKmh === undefined ? {} : { speedKmh }),
      ...(direction === undefined ? {} : { direction }),
    },
  })
}
