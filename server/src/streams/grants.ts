/**
 * Grants: asking, approving, revoking, and the watch that ends them. Every change is on the record in the transaction
 * that makes it. Whoever lets bytes through listens to `onEnded`, which is called as soon as the end is committed.
 */
import { randomUUID } from 'node:crypto'
import type { Grant, NewGrant } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { endOf, type GrantEnd, MAX_OPEN_GRANTS, policyFor, problemsUnder } from './grant-policy.ts'
import * as store from './grant-store.ts'
import type { StreamsDeps } from './streams.ts'

const MINUTE_MS = 60_000
const LIST_LIMIT = 100
const OTHERS_LIMIT = 200
/** Others' grants stay on the list of who may approve for this long after their end. */
const OTHERS_SINCE_MS = 24 * 60 * MINUTE_MS

export type GrantEndListener = (grantId: string, why: 'grant expired' | 'grant revoked') => void

export class Grants {
  readonly #deps: Pick<StreamsDeps, 'relational' | 'audit' | 'changes'>
  readonly #log: Logger
  readonly #now: () => number
  readonly #listeners = new Set<GrantEndListener>()

  constructor(deps: StreamsDeps) {
    this.#deps = deps
    this.#log = deps.log.child({ component: 'grants' })
    this.#now = deps.now ?? Date.now
  }

  onEnded(listener: GrantEndListener): void {
    this.#listeners.add(listener)
  }

  /** Throws HUB_NOT_FOUND for a camera or incident outside the scope, HUB_GRANT_POLICY, HUB_TOO_MANY_REQUESTS. */
  async request(actor: Principal, wish: NewGrant): Promise<Grant> {
    const { relational, audit } = this.#deps
    const grantId = randomUUID()
    await relational.write.transaction().execute(async (trx) => {
      const camera = await store.findCameraInScope(trx, actor, wish.cameraId)
      if (!camera) throw new HubError('HUB_NOT_FOUND', `no camera ${wish.cameraId}`)
      const policy = policyFor(camera.sensitivity)
      const problems = problemsUnder(policy, wish)
      if (problems.length > 0) {
        throw new HubError('HUB_GRANT_POLICY', `the policy for ${camera.sensitivity} cameras asks for more`, {
          details: problems,
        })
      }
      const { incidentId } = wish
      if (incidentId !== undefined && !(await store.incidentIsInScope(trx, actor, incidentId))) {
        throw new HubError('HUB_NOT_FOUND', `no incident ${incidentId}`)
      }
      if ((await store.countOpenGrants(trx, actor.userId)) >= MAX_OPEN_GRANTS) {
        throw new HubError('HUB_TOO_MANY_REQUESTS', `you have ${MAX_OPEN_GRANTS} open grants: end some first`)
      }
      const minutes = Math.min(wish.minutes, policy.maxMinutes)
      const nowMs = this.#now()
      const note = (wish.note ?? '').trim()
      await store.insertGrant(trx, {
        grant_id: grantId,
        user_id: actor.userId,
        camera_id: camera.device_id,
        region: camera.region,
        purpose: wish.purpose,
        note,
        incident_id: incidentId ?? null,
        state: policy.needsApproval ? 'pending' : 'active',
        begin_at_ms: nowMs,
        end_at_ms: nowMs + minutes * MINUTE_MS,
        approver_id: null,
        created_at_ms: nowMs,
      })
      await this.#deps.changes.note(trx, 'grant', grantId)
      await audit.append(trx, {
        actor,
        action: policy.needsApproval ? 'grant.requested' : 'grant.given',
        subject: `camera:${camera.device_id}`,
        detail: {
          grantId,
          purpose: wish.purpose,
          note,
          incidentId,
          minutes,
          sensitivity: camera.sensitivity,
        },
      })
    })
    return this.#view(grantId)
  }

  /** The caller's own, newest first; for who may approve or revoke, also those of others in their scope. */
  async list(actor: Principal): Promise<Grant[]> {
    const { read } = this.#deps.relational
    const nowMs = this.#now()
    const records = await store.grantsOf(read, actor.userId, nowMs, LIST_LIMIT)
    if (may(actor, 'grant.approve') || may(actor, 'grant.revoke-any')) {
      const times = { nowMs, sinceMs: nowMs - OTHERS_SINCE_MS }
      records.push(...(await store.grantsInScope(read, actor, times, OTHERS_LIMIT)))
    }
    return records.map((record) => store.viewOf(record, nowMs))
  }

  /**
   * Ends a grant, or takes back a request. One's own, or with `grant.revoke-any` any in one's scope, else
   * HUB_NOT_FOUND. A grant that has ended stays as it is.
   */
  async revoke(actor: Principal, grantId: string): Promise<Grant> {
    const isRevoked = await this.#deps.relational.write.transaction().execute(async (trx) => {
      const grant = await this.#find(trx, grantId)
      const isOwn = grant?.userId === actor.userId
      const mayAny = grant && may(actor, 'grant.revoke-any', { region: grant.region })
      if (!grant || !(isOwn || mayAny)) throw new HubError('HUB_NOT_FOUND', `no grant ${grantId}`)
      if (grant.state !== 'pending' && grant.state !== 'active') return false
      return this.#end(trx, grant, { state: 'revoked', why: isOwn ? 'by its user' : 'by another', actor })
    })
    if (isRevoked) this.#tellEnded(grantId, 'grant revoked')
    return this.#view(grantId)
  }

  /**
   * Answers a request. Never one's own (HUB_FORBIDDEN), only in one's scope (else HUB_NOT_FOUND), only while it is
   * pending (HUB_CONFLICT). The grant's time begins with the approval.
   */
  async decide(actor: Principal, grantId: string, approve: boolean): Promise<Grant> {
    const { relational, audit } = this.#deps
    await relational.write.transaction().execute(async (trx) => {
      const grant = await this.#find(trx, grantId)
      // Whoever asked may know that it exists, and why they cannot answer it.
      if (grant?.userId === actor.userId) {
        throw new HubError('HUB_FORBIDDEN', 'nobody approves their own request')
      }
      if (!grant || !may(actor, 'grant.approve', { region: grant.camera?.region ?? grant.region })) {
        throw new HubError('HUB_NOT_FOUND', `no grant ${grantId}`)
      }
      const nowMs = this.#now()
      const end = grant.state === 'pending' ? endOf(grant, nowMs) : undefined
      if (grant.state !== 'pending' || end) {
        const state = end?.state ?? grant.state
        throw new HubError('HUB_CONFLICT', `the request is not pending any more: ${state}`)
      }
      const lengthMs = grant.endAtMs - grant.beginAtMs
      const isMoved = await store.moveGrant(trx, grant, {
        state: approve ? 'active' : 'refused',
        approver_id: actor.userId,
        begin_at_ms: nowMs,
        end_at_ms: approve ? nowMs + lengthMs : nowMs,
      })
      if (!isMoved) throw new HubError('HUB_CONFLICT', 'the request has just been answered')
      await this.#deps.changes.note(trx, 'grant', grantId)
      await audit.append(trx, {
        actor,
        action: approve ? 'grant.approved' : 'grant.refused',
        subject: `camera:${grant.cameraId}`,
        detail: { grantId, of: grant.userId, minutes: lengthMs / MINUTE_MS },
      })
    })
    return this.#view(grantId)
  }

  /** The grant with all that decides whether it holds; for the gate. */
  find(grantId: string): Promise<store.GrantRecord | undefined> {
    return this.#find(this.#deps.relational.read, grantId)
  }

  /** Ends every open grant that does not hold any more: time, sign-out, account, role, scope, camera. */
  async look(): Promise<void> {
    const { relational } = this.#deps
    const nowMs = this.#now()
    for (const seen of await store.openGrants(relational.read, nowMs)) {
      const end = endOf(seen, nowMs)
      if (!end) continue
      const { grantId } = seen
      try {
        const isEnded = await relational.write.transaction().execute((trx) => this.#end(trx, seen, end))
        if (!isEnded) continue
        this.#tellEnded(grantId, end.state === 'expired' ? 'grant expired' : 'grant revoked')
      } catch (err) {
        this.#log.error({ err, grantId }, 'a grant could not be ended')
        // Nothing is let through because a store fails.
        this.#tellEnded(grantId, end.state === 'expired' ? 'grant expired' : 'grant revoked')
      }
    }
  }

  #find(db: DbOrTransaction, grantId: string): Promise<store.GrantRecord | undefined> {
    return store.findGrant(db, grantId, this.#now())
  }

  async #end(
    trx: DbOrTransaction,
    grant: store.GrantRecord,
    end: GrantEnd | { state: 'revoked'; why: 'by its user' | 'by another'; actor: Principal },
  ): Promise<boolean> {
    const endAtMs = Math.min(grant.endAtMs, this.#now())
    if (!(await store.moveGrant(trx, grant, { state: end.state, end_at_ms: endAtMs }))) return false
    await this.#deps.changes.note(trx, 'grant', grant.grantId)
    await this.#deps.audit.append(trx, {
      actor: 'actor' in end ? end.actor : undefined,
      action: end.state === 'expired' ? 'grant.expired' : 'grant.revoked',
      subject: `camera:${grant.cameraId}`,
      detail: { grantId: grant.grantId, of: grant.userId, why: end.why },
    })
    return true
  }

  #tellEnded(grantId: string, why: 'grant expired' | 'grant revoked'): void {
    for (const listener of this.#listeners) listener(grantId, why)
  }

  /** What another hub has done to these grants: those that are over are cut here too. */
  async changed(grantIds: Iterable<string>): Promise<void> {
    for (const grantId of grantIds) {
      const grant = await this.find(grantId)
      if (!grant || grant.state === 'revoked') this.#tellEnded(grantId, 'grant revoked')
      else if (grant.state === 'expired') this.#tellEnded(grantId, 'grant expired')
    }
  }

  /** Grants as screens show them, each with its user's id and its region. No scope check: the caller has one. */
  async views(grantIds: readonly string[]): Promise<{ region: string; userId: string; grant: Grant }[]> {
    const records = await Promise.all(grantIds.map((grantId) => this.find(grantId)))
    return records
      .filter((record) => record !== undefined)
      .map((record) => ({
        region: record.region,
        userId: record.userId,
        grant: store.viewOf(record, this.#now()),
      }))
  }

  async #view(grantId: string): Promise<Grant> {
    const record = await this.find(grantId)
    if (!record) throw new HubError('HUB_NOT_FOUND', `no grant ${grantId}`)
    return store.viewOf(record, this.#now())
  }
}
