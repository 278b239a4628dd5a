/**
 * The watch list: plates that a person wants to know of and a second person has agreed to look for. Edges get them as
 * keyed hashes and look by themselves, also while the line is down. The hub keeps a plate as the same hash, and sealed
 * for those who approve it; nothing else holds it, the record and the log included.
 */
import { createHash, randomUUID } from 'node:crypto'
import {
  covers,
  MAX_WATCHED,
  type NewWatchEntry,
  readPlate,
  type WatchEntry,
  type WatchListForEdge,
} from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { EdgeIdentity } from '../access/access.ts'
import type { AuditTrail } from '../access/audit-trail.ts'
import { may } from '../access/decide.ts'
import { hashPlate } from '../access/plate-keys.ts'
import type { ReadingLimit } from '../access/plate-reading-limit.ts'
import type { Principal } from '../access/principal.ts'
import { inScope } from '../access/scope.ts'
import type { Sealing } from '../access/sealing.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { WatchEntryTable } from '../ports/tables.ts'
import { rehashWatchList } from './rehash.ts'

const DAY_MS = 86_400_000
const LIST_LIMIT = 500

export interface WatchListDeps {
  relational: Relational
  audit: AuditTrail
  sealing: Sealing
  /** Of reading plates in clear: this way too. */
  limit: ReadingLimit
  /** 64 hexadecimal digits, the same as on the edges; without it no plate can be looked for. */
  plateHashKey: string | undefined
  /** Tells an edge which list is in force. One that is away is told after its next hello. */
  offer: (edgeId: string, sha256: string) => void | Promise<void>
  log: Logger
  now?: () => number
}

export class WatchListService {
  readonly #deps: WatchListDeps
  readonly #now: () => number

  constructor(deps: WatchListDeps) {
    this.#deps = deps
    this.#now = deps.now ?? Date.now
  }

  /** Those of the scope, newest first. */
  async list(actor: Principal): Promise<WatchEntry[]> {
    const rows = await this.#deps.relational.read
      .selectFrom('watch_entry')
      .selectAll()
      .where((eb) => inScope(actor, eb.ref('region')))
      .orderBy('created_at_ms', 'desc')
      .orderBy('entry_id')
      .limit(LIST_LIMIT)
      .execute()
    return rows.map((row) => this.#view(row, actor))
  }

  /** It is looked for once a second person has agreed. Throws HUB_OUT_OF_SCOPE, HUB_BAD_REQUEST, HUB_CONFLICT. */
  async add(actor: Principal, wish: NewWatchEntry): Promise<WatchEntry> {
    const { relational, audit, sealing, plateHashKey } = this.#deps
    const { region, severity } = wish
    if (!may(actor, 'watchlist.write', { region })) {
      throw new HubError('HUB_OUT_OF_SCOPE', `region ${region} lies outside your scope (${actor.scope})`)
    }
    if (plateHashKey === undefined) {
      throw new HubError('HUB_CONFLICT', 'this hub has no plate hash key: set PATROLHUB_PLATE_HASH_KEY_FILE')
    }
    const plate = readPlate(wish.plate)
    if (!plate?.isComplete) {
      throw new HubError('HUB_BAD_REQUEST', 'the request does not fit', {
        details: ['/plate: is no whole plate'],
      })
    }
    const entryId = randomUUID()
    const nowMs = this.#now()
    const row: WatchEntryTable = {
      entry_id: entryId,
      plate_hash: hashPlate(plate.text, plateHashKey),
      plate_sealed: sealing.seal(plate.text, `watch:${entryId}`),
      plate_masked: masked(plate.text),
      region,
      severity,
      reason: wish.reason.trim(),
      instruction: wish.instruction.trim(),
      state: 'pending',
      requested_by: actor.userId,
      requested_name: actor.displayName,
      decided_name: null,
      created_at_ms: nowMs,
      begin_at_ms: nowMs,
      end_at_ms: nowMs + wish.days * DAY_MS,
    }
    await relational.write.transaction().execute(async (trx) => {
      await trx.insertInto('watch_entry').values(row).execute()
      const { reason, instruction } = row
      const detail = { region, severity, reason, instruction, days: wish.days }
      await audit.append(trx, { actor, action: 'watch.requested', subject: `watch:${entryId}`, detail })
    })
    return this.#view(row, actor)
  }

  /** Never one's own (HUB_FORBIDDEN); only while it waits (HUB_CONFLICT). Its time begins with the approval. */
  async decide(actor: Principal, entryId: string, approve: boolean): Promise<WatchEntry> {
    const { relational, audit } = this.#deps
    const row = await relational.write.transaction().execute(async (trx) => {
      const entry = await this.#find(trx, actor, entryId)
      if (entry.requested_by === actor.userId) {
        throw new HubError('HUB_FORBIDDEN', 'nobody approves their own request')
      }
      if (entry.state !== 'pending') {
        throw new HubError('HUB_CONFLICT', `the request is not pending any more: ${entry.state}`)
      }
      const nowMs = this.#now()
      const change = {
        state: approve ? 'active' : 'refused',
        decided_name: actor.displayName,
        begin_at_ms: nowMs,
        end_at_ms: approve ? nowMs + (entry.end_at_ms - entry.begin_at_ms) : nowMs,
      }
      await trx.updateTable('watch_entry').set(change).where('entry_id', '=', entryId).execute()
      await audit.append(trx, {
        actor,
        action: approve ? 'watch.approved' : 'watch.refused',
        subject: `watch:${entryId}`,
        detail: { requestedBy: entry.requested_name },
      })
      return { ...entry, ...change }
    })
    if (approve) await this.#offerToAll(row.region)
    return this.#view(row, actor)
  }

  /** It is not looked for any more. One that is over stays as it is. */
  async end(actor: Principal, entryId: string): Promise<WatchEntry> {
    const { relational, audit } = this.#deps
    const row = await relational.write.transaction().execute(async (trx) => {
      const entry = await this.#find(trx, actor, entryId)
      if (entry.state !== 'pending' && entry.state !== 'active') return entry
      const change = { state: 'ended', end_at_ms: Math.min(entry.end_at_ms, this.#now()) }
      await trx.updateTable('watch_entry').set(change).where('entry_id', '=', entryId).execute()
      await audit.append(trx, { actor, action: 'watch.ended', subject: `watch:${entryId}`, detail: {} })
      return { ...entry, ...change }
    })
    await this.#offerToAll(row.region)
    return this.#view(row, actor)
  }

  /** The plate in clear, on the record before it is given; or how long to wait, if too many have been read. */
  async reveal(
    actor: Principal,
    entryId: string,
    reason: string,
  ): Promise<{ plate: string } | { waitMs: number }> {
    const { relational, audit, sealing, limit } = this.#deps
    return relational.write.transaction().execute(async (trx) => {
      const entry = await this.#find(trx, actor, entryId)
      const plate = sealing.open(entry.plate_sealed, `watch:${entryId}`)
      const subject = `watch:${entryId}`
      const waitMs = await limit.take(trx, actor, subject)
      if (waitMs > 0) return { waitMs }
      await audit.append(trx, { actor, action: 'watch.revealed', subject, detail: { reason } })
      return { plate }
    })
  }

  /** After the key of hashes has changed; edges are told. Answers how many entries have a new hash. */
  async rehash(hashKey: string): Promise<number> {
    const changed = await rehashWatchList(this.#deps, hashKey)
    if (changed > 0) await this.#offerToAll('')
    return changed
  }

  async forEdge({ region }: Pick<EdgeIdentity, 'region'>): Promise<WatchListForEdge> {
    const rows = await this.#deps.relational.read
      .selectFrom('watch_entry')
      .selectAll()
      .where('state', '=', 'active')
      .where('end_at_ms', '>', this.#now())
      .orderBy('created_at_ms', 'desc')
      .orderBy('entry_id')
      .execute()
    const entries = rows
      .filter((row) => covers(row.region, region) || covers(region, row.region))
      .slice(0, MAX_WATCHED)
      .map((row) => ({
        entryId: row.entry_id,
        plateHash: row.plate_hash,
        region: row.region,
        severity: row.severity as WatchEntry['severity'],
        reason: row.reason,
        instruction: row.instruction,
        beginAtMs: row.begin_at_ms,
        endAtMs: row.end_at_ms,
      }))
    return { sha256: createHash('sha256').update(JSON.stringify(entries)).digest('hex'), entries }
  }

  /** After a hello of this edge. */
  async greeted(edgeId: string): Promise<void> {
    const edge = await this.#deps.relational.read
      .selectFrom('edge')
      .select('region')
      .where('edge_id', '=', edgeId)
      .executeTakeFirst()
    if (edge) await this.#deps.offer(edgeId, (await this.forEdge(edge)).sha256)
  }

  /** Those that are online; the others are told when they say hello. */
  async #offerToAll(region: string): Promise<void> {
    const edges = await this.#deps.relational.read
      .selectFrom('edge')
      .select(['edge_id', 'region'])
      .where('state', '=', 'online')
      .execute()
    const lists = new Map<string, string>()
    for (const edge of edges) {
      if (!covers(region, edge.region) && !covers(edge.region, region)) continue
      const sha256 = lists.get(edge.region) ?? (await this.forEdge(edge)).sha256
      lists.set(edge.region, sha256)
      await this.#deps.offer(edge.edge_id, sha256)
    }
  }

  /** Throws HUB_NOT_FOUND outside the scope. Whether the actor may act at all, the route has asked. */
  async #find(db: DbOrTransaction, actor: Principal, entryId: string): Promise<WatchEntryTable> {
    const row = await db
      .selectFrom('watch_entry')
      .selectAll()
      .where('entry_id', '=', entryId)
      .where((eb) => inScope(actor, eb.ref('region')))
      .executeTakeFirst()
    if (!row) throw new HubError('HUB_NOT_FOUND', `no entry ${entryId} on the watch list`)
    return row
  }

  #view(row: WatchEntryTable, actor: Principal): WatchEntry {
    const isOver = row.end_at_ms <= this.#now() && (row.state === 'active' || row.state === 'pending')
    return {
      entryId: row.entry_id,
      plateMasked: row.plate_masked,
      region: row.region,
      severity: row.severity as WatchEntry['severity'],
      reason: row.reason,
      instruction: row.instruction,
      state: isOver ? 'expired' : (row.state as WatchEntry['state']),
      requestedBy: row.requested_name,
      isOwn: row.requested_by === actor.userId,
      ...(row.decided_name === null ? {} : { decidedBy: row.decided_name }),
      createdAtMs: row.created_at_ms,
      beginAtMs: row.begin_at_ms,
      endAtMs: row.end_at_ms,
    }
  }
}

function masked(plate: string): string {
  const characters = [...plate]
  return [...characters.slice(0, 2), '•••', ...characters.slice(-2)].join('')
}
