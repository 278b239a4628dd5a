/**
 * Grants: asking, approving, revoking, and the watch that ends them. Every change is on the record in the transaction
 * that makes it. Whoever lets bytes through listens to `onCut`, which is called as soon as the end is committed.
 */
import { randomUUID } from 'node:crypto'
import type { Grant, NewGrant } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { decide, may, whyNot } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { mayReach } from '../access/scope.ts'
import { HubError } from '../errors.ts'
import { requireIncident } from '../incident-in-scope.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { findTarget, strictestOf } from './grant-cameras.ts'
import {
  endOf,
  type GrantEnd,
  isIncidentOver,
  MAX_OPEN_GRANTS,
  openCameras,
  problemsOfSpan,
  problemsUnder,
  stateAt,
} from './grant-policy.ts'
import * as store from './grant-store.ts'
import type { StreamsDeps, WhyClosed } from './streams.ts'

const MINUTE_MS = 60_000
const LIST_LIMIT = 100
const OTHERS_LIMIT = 200
/** Others' grants stay on the list of who may approve for this long after their end. */
const OTHERS_SINCE_MS = 24 * 60 * MINUTE_MS

/** What a grant does not open any more; it still opens `keeps`, the ids of cameras. */
export interface GrantCut {
  grantId: string
  keeps: ReadonlySet<string>
  why: Extract<WhyClosed, 'grant expired' | 'grant revoked' | 'session ended' | 'camera closed'>
}
export type GrantCutListener = (cut: GrantCut) => void

const NOTHING: ReadonlySet<string> = new Set()

export class Grants {
  readonly #deps: Pick<StreamsDeps, 'relational' | 'audit' | 'changes'>
  readonly #log: Logger
  readonly #now: () => number
  readonly #listeners = new Set<GrantCutListener>()

  constructor(deps: StreamsDeps) {
    this.#deps = deps
    this.#log = deps.log.child({ component: 'grants' })
    this.#now = deps.now ?? Date.now
  }

  /** Called as soon as it is known that a grant has ended, or opens less than it did. */
  onCut(listener: GrantCutListener): void {
    this.#listeners.add(listener)
  }

  /**
   * Throws HUB_NOT_FOUND for an incident or a group outside the scope and for a camera that may not be asked for,
   * HUB_GRANT_POLICY, HUB_TOO_MANY_REQUESTS.
   */
  async request(actor: Principal, wish: NewGrant): Promise<Grant> {
    const { relational, audit } = this.#deps
    const grantId = randomUUID()
    await relational.write.transaction().execute(async (trx) => {
      const nowMs = this.#now()
      const { target, gone } = await soughtTarget(trx, wish)
      if (!target || (target.kind === 'group' && !mayReach(actor, target.region))) throw gone
      const { id, region, cameras } = target
      // A group is what its cameras are, one by one.
      const decisions = cameras.map((camera) =>
        decide(actor, 'grant.request', { region: camera.region, camera }, { atMs: nowMs }),
      )
      const checks = decisions.flatMap((decision) => decision.checks)
      // Whoever may not ask for it is not told that it exists.
      if (checks.some(({ rule, ok }) => rule === 'scope' && !ok)) throw gone
      const denied = decisions.find(({ effect }) => effect === 'deny')
      if (denied) throw new HubError('HUB_FORBIDDEN', whyNot(denied))
      const isInside = mayReach(actor, region)
      const obligations = decisions.flatMap((decision) => decision.obligations)
      const policy = strictestOf(cameras)
      const problems = problemsUnder(obligations, wish)
      const { incidentId, history } = wish
      if (cameras.length === 0) problems.push(`/groupId: the group ${target.name} has no camera`)
      else if (history) problems.push(...problemsOfSpan(history, policy, nowMs))
      if (incidentId !== undefined) {
        const { state } = await requireIncident(trx, actor, incidentId)
        if (isIncidentOver(state)) problems.push(`/incidentId: the incident is ${state}`)
      }
      const sensitivity = [...new Set(cameras.map((camera) => camera.sensitivity))].join(', ')
      if (problems.length > 0) {
        const which = !isInside
          ? `the camera ${id}`
          : target.kind === 'camera'
            ? `${sensitivity} cameras`
            : `the group ${target.name}, the strictest of its cameras (${sensitivity}) together,`
        throw new HubError('HUB_GRANT_POLICY', `the policy for ${which} asks for more`, { details: problems })
      }
      const needsSecond = obligations.includes('second-person')
      if ((await store.countOpenGrants(trx, actor.userId)) >= MAX_OPEN_GRANTS) {
        throw new HubError('HUB_TOO_MANY_REQUESTS', `you have ${MAX_OPEN_GRANTS} open grants: end some first`)
      }
      const minutes = Math.min(wish.minutes, policy.maxMinutes)
      const note = (wish.note ?? '').trim()
      await store.insertGrant(trx, {
        grant_id: grantId,
        user_id: actor.userId,
        target_kind: target.kind,
        target_id: id,
        asked_cameras:
          target.kind === 'group' ? JSON.stringify(cameras.map(({ cameraId }) => cameraId)) : null,
        region,
        purpose: wish.purpose,
        note,
        incident_id: incidentId ?? null,
        state: needsSecond ? 'pending' : 'active',
        begin_at_ms: nowMs,
        end_at_ms: nowMs + minutes * MINUTE_MS,
        approver_id: null,
        created_at_ms: nowMs,
        asked_from: isInside ? null : actor.scope,
        history_from_ms: history?.fromMs ?? null,
        history_to_ms: history?.toMs ?? null,
      })
      await this.#deps.changes.note(trx, 'grant', grantId)
      await audit.append(trx, {
        actor,
        action: needsSecond ? 'grant.requested' : 'grant.given',
        subject: `${target.kind}:${id}`,
        detail: {
          grantId,
          purpose: wish.purpose,
          note,
          incidentId,
          minutes,
          history,
          sensitivity,
          ...(target.kind === 'group' ? { cameras: cameras.map(({ cameraId }) => cameraId) } : {}),
          ...(needsSecond
            ? {
                because: [
                  ...new Set(
                    checks.filter(({ needs }) => needs.includes('second-person')).map(({ says }) => says),
                  ),
                ],
              }
            : {}),
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
      if (!grant || !may(actor, 'grant.approve', { region: grant.target.region ?? grant.region })) {
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
        subject: `${grant.target.kind}:${grant.target.id}`,
        detail: { grantId, of: grant.userId, minutes: lengthMs / MINUTE_MS, history: grant.history },
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
    const nowMs = this.#now()
    await this.#endOver(await store.openGrants(this.#deps.relational.read, nowMs), nowMs)
  }

  /** These incidents have changed, here or at another hub: ends the grants given for those that are over. */
  async incidentsChanged(incidentIds: ReadonlySet<string>): Promise<void> {
    if (incidentIds.size === 0) return
    const nowMs = this.#now()
    const grants = await store.openGrantsFor(this.#deps.relational.read, [...incidentIds], nowMs)
    // The bytes first: the record of many takes a while.
    for (const grant of grants) {
      if (endOf(grant, nowMs)?.why === 'incident over') this.#tellEnded(grant.grantId, 'grant revoked')
    }
    await this.#endOver(grants, nowMs)
  }

  /** Every hub does so with the same grants; the first puts it on the record. */
  async #endOver(grants: readonly store.GrantRecord[], nowMs: number): Promise<void> {
    const { relational } = this.#deps
    for (const seen of grants) {
      const end = endOf(seen, nowMs)
      if (!end) continue
      const { grantId } = seen
      const why = cutBy(end)
      try {
        const isEnded = await relational.write.transaction().execute((trx) => this.#end(trx, seen, end))
        if (isEnded) this.#tellEnded(grantId, why)
      } catch (err) {
        this.#log.error({ err, grantId }, 'a grant could not be ended')
        // Nothing is let through because a store fails.
        this.#tellEnded(grantId, why)
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
      subject: `${grant.target.kind}:${grant.target.id}`,
      detail: { grantId: grant.grantId, of: grant.userId, why: end.why },
    })
    return true
  }

  #tellEnded(grantId: string, why: GrantCut['why']): void {
    this.#tell({ grantId, why, keeps: NOTHING })
  }

  #tell(cut: GrantCut): void {
    for (const listener of this.#listeners) listener(cut)
  }

  /**
   * These grants have changed, here or at another hub, or somebody watches under them: what they do not open any more
   * is cut here.
   */
  async check(grantIds: readonly string[]): Promise<void> {
    const nowMs = this.#now()
    const grants = await store.findGrants(this.#deps.relational.read, grantIds, nowMs)
    const known = new Map(grants.map((grant) => [grant.grantId, grant]))
    for (const grantId of grantIds) {
      const grant = known.get(grantId)
      const keeps = new Set((grant ? openCameras(grant, nowMs) : []).map(({ cameraId }) => cameraId))
      this.#tell({ grantId, keeps, why: grant ? whyClosed(grant, nowMs) : 'grant revoked' })
    }
  }

  /** Grants as screens show them, each with its user's id and its region. No scope check: the caller has one. */
  async views(grantIds: readonly string[]): Promise<{ region: string; userId: string; grant: Grant }[]> {
    const nowMs = this.#now()
    const records = await store.findGrants(this.#deps.relational.read, grantIds, nowMs)
    return records.map((record) => ({
      region: record.region,
      userId: record.userId,
      grant: store.viewOf(record, nowMs),
    }))
  }

  async #view(grantId: string): Promise<Grant> {
    const record = await this.find(grantId)
    if (!record) throw new HubError('HUB_NOT_FOUND', `no grant ${grantId}`)
    return store.viewOf(record, this.#now())
  }
}

/** What is asked for, if there is it, and what to answer if there is not. */
async function soughtTarget(trx: DbOrTransaction, { cameraId, groupId }: NewGrant) {
  if (cameraId !== undefined && groupId === undefined) {
    const gone = new HubError('HUB_NOT_FOUND', `no camera ${cameraId}`)
    return { target: await findTarget(trx, { cameraId }), gone }
  }
  if (groupId !== undefined && cameraId === undefined) {
    const gone = new HubError('HUB_NOT_FOUND', `no group ${groupId}`)
    return { target: await findTarget(trx, { groupId }), gone }
  }
  throw new HubError(
    'HUB_BAD_REQUEST',
    'a grant is for a camera or for a group: give `cameraId` or `groupId`',
  )
}

function cutBy(end: GrantEnd): GrantCut['why'] {
  // Whichever notices first, the grant or the session, the record says the same.
  if (end.why === 'signed out') return 'session ended'
  return end.state === 'expired' ? 'grant expired' : 'grant revoked'
}

/** Why a grant does not open a camera of its target now. */
function whyClosed(grant: store.GrantRecord, nowMs: number): GrantCut['why'] {
  const state = stateAt(grant, nowMs)
  if (state === 'revoked') return grant.user.isSignedIn ? 'grant revoked' : 'session ended'
  if (state === 'expired') return 'grant expired'
  const end = endOf(grant, nowMs)
  return end ? cutBy(end) : 'camera closed'
}
