/**
 * Who looked at which evidence, on the record before it is served. A page of pictures is one entry or a few: what one
 * session asks for within a moment is written together, with the id of each.
 */
import type { Principal } from '../access/principal.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { EvidenceDeps } from './evidence.ts'

/** One look of one session at one thing is put on the record once in this time: pages load pictures again and again. */
const SAME_LOOK_MS = 10 * 60_000
const MAX_LOOKS = 10_000
/** How long a picture waits for the others of its page; the wait is seen by whoever loads it. */
const GATHER_MS = 40
/** In one entry. */
const MAX_TOGETHER = 100

interface Seen {
  evidenceId: string
  role: string
  alertId: string | null
}

interface Group {
  seen: Seen[]
  kept: Promise<void>
}

export class Looks {
  readonly #deps: Pick<EvidenceDeps, 'relational' | 'audit'>
  readonly #now: () => number
  /** When each look was recorded last, oldest first; `kept` resolves when it is on the record. */
  readonly #looks = new Map<string, { atMs: number; kept: Promise<void> }>()
  /** By session: pictures that are about to be written. */
  readonly #groups = new Map<string, Group>()

  constructor(deps: EvidenceDeps) {
    this.#deps = deps
    this.#now = deps.now ?? Date.now
  }

  /** Resolves when it is on the record. */
  async record(caller: Principal, seen: Seen): Promise<void> {
    const key = `${caller.sessionHash} ${seen.evidenceId}`
    const last = this.#looks.get(key)
    // Parts of a clip are asked for at once: one entry, and none of them is answered before it is kept.
    if (last !== undefined && this.#now() - last.atMs < SAME_LOOK_MS) return last.kept
    // Only pictures come by the page.
    const kept = seen.role === 'snapshot' ? this.#gather(caller, seen) : this.#write(caller, [seen])
    this.#looks.delete(key)
    this.#looks.set(key, { atMs: this.#now(), kept })
    if (this.#looks.size > MAX_LOOKS) this.#looks.delete(this.#looks.keys().next().value!)
    try {
      await kept
    } catch (error) {
      this.#looks.delete(key)
      throw error
    }
  }

  #gather(caller: Principal, one: Seen): Promise<void> {
    const { sessionHash } = caller
    const open = this.#groups.get(sessionHash)
    if (open && open.seen.length < MAX_TOGETHER) {
      open.seen.push(one)
      return open.kept
    }
    const seen = [one]
    const { promise: kept, resolve, reject } = Promise.withResolvers<void>()
    const group: Group = { seen, kept }
    this.#groups.set(sessionHash, group)
    setTimeout(() => {
      if (this.#groups.get(sessionHash) === group) this.#groups.delete(sessionHash)
      this.#write(caller, seen).then(resolve, reject)
    }, GATHER_MS)
    return kept
  }

  async #write(caller: Principal, seen: readonly Seen[]): Promise<void> {
    const { relational, audit } = this.#deps
    const [first] = seen
    await relational.write.transaction().execute(async (trx) => {
      const incidentIds = await incidentsOf(trx, seen)
      const ids = seen.map(({ evidenceId }) => evidenceId)
      await audit.append(trx, {
        actor: caller,
        action: 'evidence.viewed',
        subject: seen.length === 1 ? `evidence:${first!.evidenceId}` : 'evidence:several',
        detail: {
          role: first!.role,
          ...(incidentIds.length === 0 ? {} : { incidentIds }),
          ...(seen.length === 1 ? {} : { count: seen.length, evidenceIds: ids }),
        },
      })
    })
  }
}

async function incidentsOf(db: DbOrTransaction, seen: readonly Seen[]): Promise<string[]> {
  const alertIds = seen.flatMap(({ alertId }) => alertId ?? [])
  if (alertIds.length === 0) return []
  const rows = await db
    .selectFrom('alert')
    .select('incident_id')
    .distinct()
    .where('alert_id', 'in', alertIds)
    .orderBy('incident_id')
    .execute()
  return rows.map((row) => row.incident_id)
}
