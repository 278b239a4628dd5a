/** How the hub should stand now: who is who, which grants are open, what each may see. Changed by the doings only. */
import type { Heard } from '../support/people.ts'
import type { TestPlayer } from '../support/streams.ts'
import {
  type Caller,
  type GrantModel,
  has,
  holds,
  inside,
  isSignedIn,
  lacksPowerOver,
  MATRIX,
  type Person,
  type Policies,
  requestOutcome,
  type Subject,
  type Token,
  worksFor,
} from './oracle.ts'
import type { Rule } from './rules.ts'
import { CAMERAS, type Kind, REGIONS, ROOT, type Thing, type World } from './world.ts'

export interface Listener {
  /** As they were when they came: whose rights change is cut and comes anew. */
  who: Person
  sessionHash: string
  heard: Heard[]
  isConnected: () => boolean
  close: () => void
  /** Their rights have changed since. */
  isStale: boolean
}

export interface Watcher {
  grant: GrantModel
  sessionHash: string
  player: TestPlayer
}

export interface Model {
  people: Person[]
  token: Token
  policies: Policies
  incidents: Map<string, { region: string; isOver: boolean }>
  grants: GrantModel[]
  listeners: Listener[]
  watchers: Watcher[]
}

/** Grants that do not hold any more end here as they have to end in the hub; answers those that just did. */
export function endGrants(model: Model, nowMs: number): GrantModel[] {
  const ending = model.grants.filter(
    (grant) => (grant.state === 'pending' || grant.state === 'active') && !holds(grant, model, nowMs),
  )
  for (const grant of ending) grant.state = 'ended'
  return ending
}

/** The statuses with which the hub has to answer. */
export function expected(
  caller: Caller,
  rule: Rule,
  thing: Thing | undefined,
  model: Model,
): readonly number[] {
  const nowMs = Date.now()
  const answers = [rule.answers].flat()
  if (rule.for === 'anybody') return answers
  if (rule.for === 'edge') {
    if (caller.kind !== 'edge') return [401]
    return !thing || thing.edgeId === caller.edgeId ? answers : [rule.else ?? 404]
  }
  if (caller.kind === 'nobody' || caller.kind === 'edge' || !isSignedIn(caller, nowMs)) return [401]
  if (caller.kind === 'token' && rule.for === 'person') return [403]
  if (caller.kind === 'person' && caller.hasOneTimePassword && !rule.first) return [403]
  const permissions = rule.for === 'person' ? [] : rule.for.split(' or ')
  if (permissions.length > 0 && !permissions.some((one) => has(caller, one, nowMs))) return [403]
  switch (rule.within) {
    case 'asked for': {
      const camera = CAMERAS.find(({ cameraId }) => cameraId === thing!.id)!
      // The request lacks the word that its purpose needs.
      const wish = { note: '', incidentId: undefined }
      const outcome = requestOutcome(caller as Person, camera, wish, model, nowMs)
      return typeof outcome === 'number' ? [outcome] : answers
    }
    case 'answered':
      return [answerOutcome(caller as Person, grantOf(model, thing!), nowMs)]
    case 'ended':
      return mayEnd(caller as Person, grantOf(model, thing!), nowMs) ? answers : [404]
    case 'watched live':
    case 'watched as recorded': {
      const isRecorded = rule.within === 'watched as recorded'
      return [watchOutcome(caller as Person, grantOf(model, thing!), isRecorded)]
    }
    case 'taken out': {
      const grant = model.grants.find(({ grantId, exportId }) => [grantId, exportId].includes(thing!.id))!
      const outcome = watchOutcome(caller as Person, grant, true)
      if (outcome !== 200) return [outcome]
      return inside(caller.scope, grant.camera.region) ? answers : [403]
    }
    case 'scope and power': {
      if (!inside(caller.scope, thing!.region)) return [404]
      return lacksPowerOver(caller, MATRIX[thing!.role!]!) ? [403] : answers
    }
    default:
      return isWithin(caller, rule, thing) ? answers : [rule.else ?? 404]
  }
}

function isWithin(caller: Subject, rule: Rule, thing: Thing | undefined): boolean {
  switch (rule.within) {
    case undefined:
      return true
    case 'scope':
      return inside(caller.scope, thing!.region)
    case 'team':
      return worksFor(caller, thing!.teamId)
    case 'scope or team':
      return reaches(caller, thing!)
    case 'own':
      return caller.kind === 'person' && thing!.userId === caller.userId
    case 'whole hub':
      return inside(caller.scope, ROOT)
    default:
      throw new Error(`no meaning of ${rule.within}`)
  }
}

/** Evidence and dispatches: by the permission that reads them in the scope, or by the team. */
function reaches(caller: Subject, thing: Thing): boolean {
  const permission = thing.kind === 'evidence' ? 'evidence.read' : 'incident.read'
  return (
    (caller.permissions.has(permission) && inside(caller.scope, thing.region)) ||
    worksFor(caller, thing.teamId)
  )
}

const grantOf = (model: Model, thing: Thing): GrantModel =>
  model.grants.find(({ grantId }) => grantId === thing.id)!

export function mayEnd(who: Person, grant: GrantModel, nowMs: number): boolean {
  return grant.user === who || (has(who, 'grant.revoke-any', nowMs) && inside(who.scope, grant.camera.region))
}

export function answerOutcome(who: Person, grant: GrantModel, nowMs: number): number {
  if (!has(who, 'grant.approve', nowMs) || grant.user === who) return 403
  if (!inside(who.scope, grant.camera.region)) return 404
  return grant.state === 'pending' ? 200 : 409
}

export function watchOutcome(who: Person, grant: GrantModel, isRecorded: boolean): number {
  if (grant.user !== who) return 404
  if (grant.state === 'pending') return 409
  return grant.state === 'active' && grant.isForHistory === isRecorded ? 200 : 403
}

/** Ids of everything of a kind that a list has to show to this caller, no more and no less. */
export async function shown(kind: Kind, caller: Subject, model: Model, world: World): Promise<string[]> {
  const { db } = world
  const things = world.things.filter((thing) => thing.kind === kind)
  const nowMs = Date.now()
  switch (kind) {
    case 'session':
      return caller.kind === 'person' ? [caller.session!.hash] : []
    case 'user': {
      const rows = await db.selectFrom('user_account').select(['user_id', 'scope']).execute()
      return rows.filter(({ scope }) => inside(caller.scope, scope)).map((row) => row.user_id)
    }
    case 'token': {
      const rows = await db.selectFrom('service_token').select(['token_id', 'scope']).execute()
      return rows.filter(({ scope }) => inside(caller.scope, scope)).map((row) => row.token_id)
    }
    case 'edge':
    case 'group':
    case 'plan':
      return world.things
        .filter((thing) => thing.kind.endsWith(kind) && inside(caller.scope, thing.region))
        .map(({ id }) => id)
    case 'dispatch':
      return things.filter((thing) => reaches(caller, thing)).map(({ id }) => id)
    case 'region': {
      // Whoever goes out also reads the names of where their teams are sent now, and of what lies around it.
      const places = [...model.incidents]
        .filter(([id, { isOver }]) => {
          const incident = world.things.find((thing) => thing.id === id)!
          return !isOver && worksFor(caller, incident.teamId)
        })
        .map(([, { region }]) => region)
      return REGIONS.filter(
        (code) => inside(caller.scope, code) || places.some((place) => place.startsWith(code)),
      )
    }
    case 'grant': {
      const who = caller as Person
      const seesOthers = has(who, 'grant.approve', nowMs) || has(who, 'grant.revoke-any', nowMs)
      return model.grants
        .filter(({ user, camera }) => user === who || (seesOthers && inside(who.scope, camera.region)))
        .map(({ grantId }) => grantId)
    }
    case 'export':
      return model.grants
        .filter(({ exportId }) => exportId !== undefined)
        .filter(
          ({ user, camera }) =>
            user === caller || (caller.permissions.has('audit.read') && inside(caller.scope, camera.region)),
        )
        .map(({ exportId }) => exportId!)
    case 'viewing': {
      const rows = await db.selectFrom('viewing').select(['viewing_id', 'region']).execute()
      return rows.filter(({ region }) => inside(caller.scope, region)).map((row) => row.viewing_id)
    }
    case 'audit entry': {
      const rows = await db
        .selectFrom('audit')
        .leftJoin('user_account', 'user_account.user_id', 'audit.actor_id')
        .select(['seq', 'scope'])
        .orderBy('seq', 'desc')
        .execute()
      // Over the whole hub everything, what nobody in particular did too.
      return rows
        .filter(({ scope }) => inside(caller.scope, ROOT) || (scope !== null && inside(caller.scope, scope)))
        .map(({ seq }) => String(seq))
    }
    default:
      return things.filter((thing) => inside(caller.scope, thing.region)).map(({ id }) => id)
  }
}

/** Ids that must stand in no answer to this caller: of what lies in regions that they have nothing to do with. */
export function forbidden(caller: Caller, model: Model, world: World): string[] {
  const searched: readonly Kind[] = [
    ...(['edge', 'spare edge', 'camera', 'checkpoint', 'sensor'] as const),
    ...(['group', 'spare group', 'plan', 'spare plan'] as const),
    ...(['alert', 'incident', 'evidence', 'dispatch'] as const),
  ]
  const own = new Set(
    model.grants
      .filter(({ user }) => user === caller)
      .flatMap(({ camera, incidentId }) => [camera.cameraId, incidentId ?? '']),
  )
  if (caller.kind === 'edge') own.add(caller.edgeId)
  const isSubject = caller.kind === 'person' || caller.kind === 'token'
  const teams = new Map(
    world.things.filter(({ kind }) => kind === 'team').map(({ id, region }) => [region, id]),
  )
  return world.things
    .filter(({ kind }) => searched.includes(kind))
    .filter(({ region }) => {
      if (!isSubject) return true
      return !inside(caller.scope, region) && !worksFor(caller, teams.get(region))
    })
    .map(({ id }) => id)
    .filter((id) => !own.has(id))
}
