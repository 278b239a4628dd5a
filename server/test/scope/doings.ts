/** What people do to each other and to the hub between the tries, each as a command of the model. */
import type { Changes, Sensitivity } from '@patrolhub/protocol'
import type fc from 'fast-check'
import { io } from 'socket.io-client'
import { eventually, type Heard } from '../support/people.ts'
import { TestPlayer } from '../support/streams.ts'
import { answerOutcome, endGrants, type Model, mayEnd, watchOutcome } from './model.ts'
import {
  type Caller,
  type GrantModel,
  type Hours,
  has,
  inside,
  isSignedIn,
  type Person,
  requestOutcome,
  worksFor,
} from './oracle.ts'
import { sweep, type Tally } from './sweep.ts'
import { CAMERAS, REGIONS, ROOT, type World } from './world.ts'

type Command = fc.AsyncCommand<Model, World>

const MINUTE_MS = 60_000
/** How long the hub may take until what must happen has happened. */
const WITHIN_MS = 20_000

function doing(
  name: string,
  check: (model: Model) => boolean,
  act: (model: Model, world: World) => Promise<void>,
): Command {
  return {
    check,
    toString: () => name,
    async run(model, world) {
      await act(model, world)
      await settle(model, world)
    },
  }
}

/** What had to end has ended; what had not goes on; nobody has heard what is not theirs. */
export async function settle(model: Model, world: World): Promise<void> {
  const ending = endGrants(model, Date.now()).map(({ grantId }) => grantId)
  if (ending.length > 0) {
    await eventually(async () => {
      const open = await world.db
        .selectFrom('viewing_grant')
        .select('grant_id')
        .where('grant_id', 'in', ending)
        .where('state', 'in', ['pending', 'active'])
        .execute()
      return open.length === 0
    }, WITHIN_MS)
  }
  const nowMs = Date.now()
  const isCurrent = (who: Person, hash: string) => isSignedIn(who, nowMs) && who.session?.hash === hash
  for (const watcher of [...model.watchers]) {
    const { grant, sessionHash, player } = watcher
    if (grant.state === 'active' && isCurrent(grant.user, sessionHash)) {
      const before = player.bytes
      await eventually(() => player.bytes > before || player.isClosed, WITHIN_MS)
      if (player.isClosed) throw new Error(`${grant.user.name} was cut off from ${grant.camera.cameraId}`)
    } else {
      await eventually(() => player.isClosed, WITHIN_MS)
      model.watchers.splice(model.watchers.indexOf(watcher), 1)
    }
  }
  for (const listener of [...model.listeners]) {
    checkHeard(listener.who, listener.heard, model, world)
    const who = model.people.find(({ userId }) => userId === listener.who.userId)!
    if (!listener.isStale && isCurrent(who, listener.sessionHash)) {
      if (!listener.isConnected()) throw new Error(`the socket of ${who.name} was closed`)
    } else {
      await eventually(() => !listener.isConnected(), WITHIN_MS)
      model.listeners.splice(model.listeners.indexOf(listener), 1)
    }
  }
}

function checkHeard(who: Person, heard: readonly Heard[], model: Model, world: World): void {
  for (const told of heard) {
    if (told.event === 'signedOut') continue
    if (!mayHear(who, told, model, world)) {
      throw new Error(`${who.name} of ${who.scope} heard ${JSON.stringify(told).slice(0, 300)}`)
    }
  }
}

function mayHear(
  who: Person,
  told: Exclude<Heard, { event: 'signedOut' }>,
  model: Model,
  world: World,
): boolean {
  const reads = (permission: string, region: string) =>
    has(who, permission, Date.now()) && inside(who.scope, region)
  const thing = (id: string | undefined) => world.things.find((one) => one.id === id)
  switch (told.event) {
    case 'alert':
      return reads('alert.read', told.payload.region)
    case 'incident':
      return reads('incident.read', told.payload.region)
    case 'evidence':
      return reads('evidence.read', thing(told.payload.evidenceId)!.region)
    case 'dispatch':
      return reads('incident.read', told.payload.incident.region) || worksFor(who, told.payload.teamId)
    case 'edge':
    case 'camera':
      return reads('device.read', told.payload.region)
    case 'grant': {
      const { camera, user } = model.grants.find(({ grantId }) => grantId === told.payload.grantId)!
      return user.userId === who.userId || reads('grant.approve', camera.region)
    }
    case 'plan':
      return reads('plan.read', told.payload.region)
  }
}

/** Whoever listens and is concerned hears of it. */
async function hear(
  model: Model,
  event: 'alert' | 'evidence' | 'incident' | 'dispatch',
  id: string,
  isConcerned: (who: Person) => boolean,
): Promise<void> {
  for (const { heard } of model.listeners.filter((one) => isConcerned(one.who))) {
    const ids = () => heard.map((one) => one.event === event && (one.payload as never)[`${event}Id`])
    await eventually(() => ids().includes(id as never), WITHIN_MS)
  }
}

/** Their rights have changed: whoever listens is cut and has to come anew. */
function stale(model: Model, ...people: Person[]): void {
  for (const listener of model.listeners) {
    if (people.some(({ userId }) => userId === listener.who.userId)) listener.isStale = true
  }
}

export interface Wish {
  /** Which, of those in the scope if `isNear`, of all if not. */
  camera: number
  isNear: boolean
  hasNote: boolean
  /** Of which region, or of the camera's. */
  incident: string | undefined
  minutes: number
  historyMinutes: number | undefined
}

const isAlive = (model: Model, index: number) => isSignedIn(model.people[index]!, Date.now())
/** Can do more than replace a one-time password. */
const isReady = (model: Model, index: number) =>
  isAlive(model, index) && !model.people[index]!.hasOneTimePassword
const cityOf = (scope: string) => scope.slice(0, 4)

export const doings = {
  signIn: (index: number) =>
    doing(
      `person ${index} signs in`,
      (model) => !isAlive(model, index) && !model.people[index]!.isDisabled,
      async (model, world) => {
        const person = model.people[index]!
        person.session = await world.addSession(person.userId, 8 * 60 * MINUTE_MS)
        person.cookie = person.session.cookie
      },
    ),

  signOut: (index: number) =>
    doing(
      `person ${index} signs out`,
      (model) => isAlive(model, index),
      async (model, world) => {
        const person = model.people[index]!
        await must(world, person, 'DELETE', '/api/session', 204)
        person.session = undefined
      },
    ),

  endSessions: (index: number) =>
    doing(
      `the sessions of person ${index} are ended`,
      (model) => isAlive(model, index),
      async (model, world) => {
        const person = model.people[index]!
        await world.command(person.scope, 'DELETE', `/api/users/${person.userId}/sessions`)
        person.session = undefined
      },
    ),

  disable: (index: number) =>
    doing(
      `person ${index} is disabled`,
      (model) => !model.people[index]!.isDisabled,
      async (model, world) => {
        const person = model.people[index]!
        await world.command(person.scope, 'DELETE', `/api/users/${person.userId}`)
        person.isDisabled = true
        person.session = undefined
      },
    ),

  setRole: (index: number, permissions: readonly string[]) =>
    doing(
      `the role of person ${index} becomes ${permissions.join(' ')}`,
      () => true,
      async (model, world) => {
        const person = model.people[index]!
        const body = { name: person.roleId, permissions }
        await world.command(ROOT, 'PUT', `/api/roles/${person.roleId}`, body)
        stale(model, person)
        person.permissions = new Set(permissions)
      },
    ),

  setScope: (index: number, scope: string) =>
    doing(
      `the scope of person ${index} becomes ${scope}`,
      (model) => cityOf(model.people[index]!.scope) === cityOf(scope),
      async (model, world) => {
        const person = model.people[index]!
        await world.command(scope, 'PATCH', `/api/users/${person.userId}`, { scope })
        stale(model, person)
        person.scope = scope
      },
    ),

  setDuty: (index: number, isOnDuty: boolean) =>
    doing(
      `person ${index} goes ${isOnDuty ? 'on' : 'off'} duty`,
      () => true,
      async (model, world) => {
        const person = model.people[index]!
        await world.command(person.scope, 'PUT', `/api/users/${person.userId}/duty`, { isOnDuty })
        stale(model, person)
        person.isOnDuty = isOnDuty
      },
    ),

  setHours: (index: number, hours: Hours | null) =>
    doing(
      `the hours of person ${index} become ${JSON.stringify(hours)}`,
      () => true,
      async (model, world) => {
        const person = model.people[index]!
        const clock = (hour: number) => `${String(hour).padStart(2, '0')}:00`
        const week = [1, 2, 3, 4, 5, 6, 7]
        const allowed = hours && [{ days: week, from: clock(hours.from), to: clock(hours.to) }]
        await world.command(person.scope, 'PATCH', `/api/users/${person.userId}`, { hours: allowed })
        stale(model, person)
        person.hours = hours
      },
    ),

  setMember: (index: number, region: string, isMember: boolean) =>
    doing(
      `person ${index} ${isMember ? 'joins' : 'leaves'} the team of ${region}`,
      (model) => cityOf(model.people[index]!.scope) === cityOf(region),
      async (model, world) => {
        const person = model.people[index]!
        const { id } = world.things.find((thing) => thing.kind === 'team' && thing.region === region)!
        const method = isMember ? 'PUT' : 'DELETE'
        await world.command(region, method, `/api/teams/${id}/members/${person.userId}`)
        stale(model, person)
        person.teamIds = [...person.teamIds.filter((teamId) => teamId !== id), ...(isMember ? [id] : [])]
      },
    ),

  revokeToken: () =>
    doing(
      'the service token is revoked',
      (model) => !model.token.isRevoked,
      async (model, world) => {
        await world.command(model.token.scope, 'DELETE', `/api/service-tokens/${model.token.tokenId}`)
        model.token.isRevoked = true
      },
    ),

  setPolicy: (sensitivity: Sensitivity, policy: Model['policies'][Sensitivity]) =>
    doing(
      `the policy for ${sensitivity} cameras becomes ${JSON.stringify(policy)}`,
      () => true,
      async (model, world) => {
        await world.command(ROOT, 'PUT', `/api/grant-policies/${sensitivity}`, policy)
        model.policies = { ...model.policies, [sensitivity]: policy }
      },
    ),

  endIncident: (region: string) =>
    doing(
      `the incident of ${region} is dismissed`,
      (model) => [...model.incidents.values()].some((one) => one.region === region && !one.isOver),
      async (model, world) => {
        const [id, incident] = [...model.incidents].find(([, one]) => one.region === region)!
        const body = { to: 'dismissed', note: 'nothing was there' }
        await world.command(region, 'POST', `/api/incidents/${id}/transitions`, body)
        incident.isOver = true
        const dispatch = world.things.find((one) => one.kind === 'dispatch' && one.region === region)!
        const reads = (who: Person) => who.permissions.has('incident.read') && inside(who.scope, region)
        await hear(model, 'incident', id, reads)
        await hear(model, 'dispatch', dispatch.id, (who) => reads(who) || worksFor(who, dispatch.teamId))
      },
    ),

  timePasses: (minutes: number) =>
    doing(
      `${minutes} minutes pass`,
      () => true,
      async (_model, world) => {
        world.clock.offsetMs += minutes * MINUTE_MS
        await world.hearEdges()
      },
    ),

  ask: (index: number, wish: Wish) =>
    doing(
      `person ${index} asks for a camera ${JSON.stringify(wish)}`,
      (model) => isReady(model, index),
      async (model, world) => {
        const user = model.people[index]!
        const near = CAMERAS.filter((one) => inside(user.scope, one.region))
        const cameras = wish.isNear && near.length > 0 ? near : CAMERAS
        const camera = cameras[wish.camera % cameras.length]!
        const place = wish.incident === 'there' ? camera.region : wish.incident
        const incidentId = [...model.incidents].find(([, one]) => one.region === place)?.[0]
        const note = wish.hasNote ? 'somebody calls for help' : ''
        const { historyMinutes } = wish
        const outcome = requestOutcome(user, camera, { note, incidentId, historyMinutes }, model, Date.now())
        const toMs = Date.now() - MINUTE_MS
        const history = historyMinutes && { fromMs: toMs - historyMinutes * MINUTE_MS, toMs }
        const { cameraId } = camera
        const body = { cameraId, purpose: 'alert_check', note, incidentId, history, minutes: wish.minutes }
        const status = typeof outcome === 'number' ? outcome : 201
        const grant = await must(world, user, 'POST', '/api/grants', status, body)
        if (typeof outcome === 'number') return
        if (grant.state !== outcome) throw new Error(`the grant is ${grant.state}, not ${outcome}`)
        const exportId = history && (await world.addExport(grant.grantId, user.userId, camera))
        model.grants.push({
          grantId: grant.grantId,
          user,
          camera,
          isForHistory: historyMinutes !== undefined,
          ...(exportId ? { exportId } : {}),
          incidentId,
          state: outcome,
          createdAtMs: grant.beginAtMs,
          endsAtMs: grant.endAtMs,
          hasSecondPerson: false,
          askedFrom: inside(user.scope, camera.region) ? undefined : user.scope,
        })
      },
    ),

  answer: (index: number, pick: number, isYes: boolean) =>
    doing(
      `person ${index} says ${isYes ? 'yes' : 'no'} to grant ${pick}`,
      (model) => isReady(model, index) && model.grants.length > 0,
      async (model, world) => {
        const grant = pickGrant(model, pick, ({ state }) => state === 'pending')
        const status = answerOutcome(model.people[index]!, grant, Date.now())
        const path = `/api/grants/${grant.grantId}/approval`
        const given = await must(world, model.people[index]!, 'POST', path, status, { approve: isYes })
        if (status !== 200) return
        grant.state = isYes ? 'active' : 'refused'
        grant.hasSecondPerson = true
        grant.endsAtMs = given.endAtMs
      },
    ),

  revoke: (index: number, pick: number) =>
    doing(
      `person ${index} revokes grant ${pick}`,
      (model) => isReady(model, index) && model.grants.length > 0,
      async (model, world) => {
        const grant = pickGrant(model, pick, ({ state }) => state === 'active')
        const isAllowed = mayEnd(model.people[index]!, grant, Date.now())
        await must(
          world,
          model.people[index]!,
          'DELETE',
          `/api/grants/${grant.grantId}`,
          isAllowed ? 200 : 404,
        )
        if (isAllowed && grant.state !== 'refused') grant.state = 'ended'
      },
    ),

  watch: (index: number, pick: number) =>
    doing(
      `person ${index} watches under grant ${pick}`,
      (model) => isReady(model, index) && model.grants.length > 0,
      async (model, world) => {
        const who = model.people[index]!
        const grant = pickGrant(model, pick, ({ user, state }) => user === who && state === 'active')
        const path = `/media/${grant.isForHistory ? 'history' : 'live'}/${grant.grantId}.flv`
        const player = new TestPlayer(world.url + path, who.cookie)
        const { status, body } = await player.answer
        const due = watchOutcome(who, grant, grant.isForHistory)
        if (status !== due) throw new Error(`${who.name} watches: answered ${status}, not ${due}: ${body}`)
        if (status === 200) model.watchers.push({ grant, sessionHash: who.session!.hash, player })
      },
    ),

  listen: (index: number) =>
    doing(
      `person ${index} listens`,
      () => true,
      async (model, world) => {
        const who = model.people[index]!
        const due = isSignedIn(who, Date.now()) && !who.hasOneTimePassword
        const socket = io(world.url, {
          transports: ['websocket'],
          reconnection: false,
          forceNew: true,
          extraHeaders: { cookie: who.cookie },
        })
        const heard: Heard[] = []
        const came = Promise.withResolvers<boolean>()
        socket.on('changes', ({ events }: Changes) => {
          heard.push(...events)
          came.resolve(true)
        })
        socket.on('signedOut', (payload: string) => heard.push({ event: 'signedOut', payload }))
        socket.once('connect_error', () => came.resolve(false))
        const isTaken = await came.promise
        if (isTaken !== due) throw new Error(`the socket of ${who.name} was ${isTaken ? '' : 'not '}taken`)
        if (!isTaken) return void socket.disconnect()
        model.listeners.push({
          who: { ...who },
          sessionHash: who.session!.hash,
          heard,
          isConnected: () => socket.connected,
          close: () => socket.disconnect(),
          isStale: false,
        })
      },
    ),

  alert: (region: string) =>
    doing(
      `an edge of ${region} raises an alert`,
      (model) => [...model.incidents.values()].some((one) => one.region === region && !one.isOver),
      async (model, world) => {
        const { alert, evidence } = await world.happen(region)
        const [incidentId] = [...model.incidents].find(([, one]) => one.region === region)!
        const reads = (permission: string) => (who: Person) =>
          who.permissions.has(permission) && inside(who.scope, region)
        await hear(model, 'alert', alert.id, reads('alert.read'))
        await hear(model, 'evidence', evidence.id, reads('evidence.read'))
        await hear(model, 'incident', incidentId, reads('incident.read'))
      },
    ),

  tryAll: (who: number | 'token' | 'edge' | 'nobody', pick: number, tally: Tally) =>
    doing(
      `${who} tries everything (${pick})`,
      () => true,
      (model, world) => sweep(world, model, callerOf(who, model, world, pick), { pick, tally }),
    ),
}

/** A pick that means this very grant. */
export const exactly = (index: number): number => EXACT + index
const EXACT = 10_000

/** Mostly one of those that promise most. */
function pickGrant(model: Model, pick: number, isBest: (grant: GrantModel) => boolean): GrantModel {
  if (pick >= EXACT) return model.grants[pick - EXACT]!
  const best = model.grants.filter(isBest)
  const grants = best.length > 0 && pick % 4 > 0 ? best : model.grants
  return grants[pick % grants.length]!
}

function callerOf(
  who: number | 'token' | 'edge' | 'nobody',
  model: Model,
  world: World,
  pick: number,
): Caller {
  if (who === 'token') return model.token
  if (who === 'nobody') return { kind: 'nobody' }
  if (who !== 'edge') return model.people[who]!
  const { client, authorization } = world.edges.get(REGIONS[pick % REGIONS.length]!)!
  return { kind: 'edge', edgeId: client.edgeId, authorization }
}

/** Asks, and throws unless it is answered with this status. */
async function must(
  world: World,
  who: Person,
  method: string,
  path: string,
  status: number,
  body?: unknown,
  // biome-ignore lint/suspicious/noExplicitAny: answers of many kinds
): Promise<any> {
  const answer = await world.ask(who, method, path, body === undefined ? {} : { body })
  if (answer.status === status) return answer.json
  throw new Error(
    `${who.name} asks ${method} ${path}: answered ${answer.status}, not ${status}: ${answer.text}`,
  )
}
