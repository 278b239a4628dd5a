/**
 * Passages by what was measured of them, and, with permission and reason, those of one plate. Pages are stable: a place
 * is the passage itself, so what comes meanwhile, late or new, moves nothing.
 */
import {
  covers,
  type FoundPassage,
  MAX_PASSAGE_SPAN_DAYS,
  type PassagePage,
  type PassageTerms,
  type PlateReading,
  readPlate,
} from '@patrolhub/protocol'
import type { AuditTrail } from '../access/audit-trail.ts'
import { hashPlate } from '../access/plate-keys.ts'
import type { ReadingLimit } from '../access/plate-reading-limit.ts'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import { incidentLookedAt } from '../incident-in-scope.ts'
import { passagePlaceOf } from '../ports/passage-id.ts'
import type { Relational } from '../ports/relational.ts'
import type { TimeSeries } from '../ports/timeseries.ts'
import { RecentSearches } from '../search/recent-searches.ts'

const MAX_SPAN_MS = MAX_PASSAGE_SPAN_DAYS * 86_400_000

export interface PassageSearchDeps {
  relational: Relational
  timeseries: Pick<TimeSeries, 'searchPassages'>
  audit: AuditTrail
  limit: ReadingLimit
  plateHashKey: string | undefined
  now?: () => number
}

export interface Paging {
  limit: number
  before: string | undefined
}

export class PassageSearch {
  readonly #deps: PassageSearchDeps
  /** The pages of one search for a plate are one entry of the record, and one plate of the hour: how long to wait. */
  readonly #recent: RecentSearches<number>

  constructor(deps: PassageSearchDeps) {
    this.#deps = deps
    this.#recent = new RecentSearches(deps.now)
  }

  /** Throws HUB_BAD_REQUEST, HUB_OUT_OF_SCOPE. */
  async page(caller: Principal, terms: PassageTerms, paging: Paging): Promise<PassagePage> {
    check(caller, terms)
    return this.#page(caller, terms, paging, undefined)
  }

  /**
   * The passages of one plate, once that is on the record; or milliseconds until this account may look for another.
   * Neither plate nor hash is on the record. Throws HUB_BAD_REQUEST, HUB_OUT_OF_SCOPE, HUB_NOT_FOUND, HUB_CONFLICT.
   */
  async pageOfPlate(
    caller: Principal,
    { plate, ...terms }: PassageTerms & { plate: string },
    reading: PlateReading,
    paging: Paging,
  ): Promise<{ page: PassagePage } | { waitMs: number }> {
    check(caller, terms)
    const { plateHashKey } = this.#deps
    if (plateHashKey === undefined) {
      throw new HubError('HUB_CONFLICT', 'this hub has no plate hash key: set PATROLHUB_PLATE_HASH_KEY_FILE')
    }
    const read = readPlate(plate)
    if (!read?.isComplete) {
      throw new HubError('HUB_BAD_REQUEST', 'the request does not fit', {
        details: ['/plate: is no whole plate'],
      })
    }
    const hash = hashPlate(read.text, plateHashKey)
    // First, so that nothing is on the record of a search that cannot be.
    const page = await this.#page(caller, terms, paging, hash)
    const waitMs = await this.#record(caller, hash, terms, reading, page.items.length)
    return waitMs > 0 ? { waitMs } : { page }
  }

  /** Puts what is taken out on the record, before the first byte. */
  async recordExport(
    actor: Principal,
    terms: PassageTerms,
    taken: { format: string; rows: number },
    reading?: PlateReading,
  ): Promise<void> {
    const { relational, audit } = this.#deps
    await relational.write.transaction().execute((trx) =>
      audit.append(trx, {
        actor,
        action: 'passage.exported',
        subject: `region:${terms.region ?? actor.scope}`,
        detail: { ...terms, ...taken, ...(reading ? { ofOnePlate: true, ...reading } : {}) },
      }),
    )
  }

  async #page(
    caller: Principal,
    terms: PassageTerms,
    { limit, before }: Paging,
    plateHash: string | undefined,
  ): Promise<PassagePage> {
    const { fromMs, toMs, region = caller.scope, checkpointId, ...rest } = terms
    const place = before === undefined ? undefined : passagePlaceOf(before)
    if (before !== undefined && !place) {
      throw new HubError('HUB_BAD_REQUEST', 'before: use the `next` of the page before')
    }
    const found = await this.#deps.timeseries.searchPassages({
      scope: region,
      ...(checkpointId === undefined ? {} : { deviceId: checkpointId }),
      fromMs,
      toMs,
      ...rest,
      ...(plateHash === undefined ? {} : { plateHash }),
      ...(place ? { before: place } : {}),
      // One more tells whether there is another page.
      limit: limit + 1,
    })
    const items = found.slice(0, limit)
    const names = await this.#names(new Set(items.map((item) => item.checkpointId)))
    return {
      items: items.map(
        (item): FoundPassage => ({
          ...item,
          checkpointName: names.get(item.checkpointId) ?? item.checkpointId,
        }),
      ),
      ...(found.length > limit ? { next: items.at(-1)!.passageId } : {}),
    }
  }

  async #names(checkpointIds: ReadonlySet<string>): Promise<Map<string, string>> {
    if (checkpointIds.size === 0) return new Map()
    const rows = await this.#deps.relational.read
      .selectFrom('device')
      .select(['device_id', 'name'])
      .where('device_id', 'in', [...checkpointIds])
      .execute()
    return new Map(rows.map((row) => [row.device_id, row.name]))
  }

  /** 0 if it may be; else how long to wait. */
  async #record(
    actor: Principal,
    hash: string,
    terms: PassageTerms,
    { purpose, reason, incidentId }: PlateReading,
    results: number,
  ): Promise<number> {
    const { relational, audit, limit } = this.#deps
    const key = JSON.stringify([actor.userId, actor.sessionHash, hash, terms, purpose, reason, incidentId])
    const waitMs = await this.#recent.once(key, async () => {
      const incident = await incidentLookedAt(relational.read, actor, incidentId)
      const subject = 'plate:search'
      return relational.write.transaction().execute(async (trx) => {
        const wait = await limit.take(trx, actor, subject)
        if (wait > 0) return wait
        const detail = { ...terms, purpose, reason: reason.trim(), ...incident, results }
        await audit.append(trx, { actor, action: 'plate.searched', subject, detail })
        return 0
      })
    })
    // One that was refused may be asked again, and is then counted and told of anew.
    if (waitMs > 0) this.#recent.forget(key)
    return waitMs
  }
}

function check(caller: Principal, { fromMs, toMs, region = caller.scope }: PassageTerms): void {
  if (fromMs >= toMs || toMs - fromMs > MAX_SPAN_MS) {
    throw new HubError('HUB_BAD_REQUEST', 'the time span does not fit', {
      details: [`/toMs: has to be after fromMs, by at most ${MAX_PASSAGE_SPAN_DAYS} days`],
    })
  }
  if (!covers(caller.scope, region)) {
    throw new HubError('HUB_OUT_OF_SCOPE', `region ${region} lies outside your scope (${caller.scope})`)
  }
}
