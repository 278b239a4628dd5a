/** Who tries to get at the hub in one run: a few people and a service token, anybody at all; and what they then do. */
import fc from 'fast-check'
import { hashToken, newToken } from '../../src/access/token.ts'
import { doings } from './doings.ts'
import type { Model } from './model.ts'
import { FOR_TOKENS, type Hours, MATRIX, PERMISSIONS, type Person } from './oracle.ts'
import type { Tally } from './sweep.ts'
import { REGIONS, ROOT, type Thing, type World } from './world.ts'

export const PEOPLE = 3
const ROLES = Object.keys(MATRIX).filter((name) => name !== 'everything' && name !== 'tokens')
const HOUR_MS = 3_600_000
const SESSION_MS = 8 * HOUR_MS

export interface Part {
  permissions: readonly string[]
  scope: string
  isOnDuty: boolean
  hours: Hours | null
  teams: readonly string[]
  hasOneTimePassword: boolean
}

export interface Cast {
  people: readonly Part[]
  token: { permissions: readonly string[]; scope: string }
}

const region = fc.constantFrom(...REGIONS)
const often = fc.integer({ min: 0, max: 4 }).map((number) => number > 0)
const permissions = fc.oneof(
  fc.constantFrom(...ROLES, 'operator', 'supervisor').map((role) => [...MATRIX[role]!]),
  fc.subarray([...PERMISSIONS]),
)
const hours = fc.oneof(
  { weight: 3, arbitrary: fc.constant(null) },
  fc.record({ from: fc.integer({ min: 0, max: 23 }), to: fc.integer({ min: 0, max: 23 }) }),
)
const part: fc.Arbitrary<Part> = fc.record({
  permissions,
  scope: region,
  isOnDuty: often,
  hours,
  teams: fc.subarray([...REGIONS], { maxLength: 2 }),
  hasOneTimePassword: fc.integer({ min: 0, max: 9 }).map((number) => number === 9),
})
export const cast: fc.Arbitrary<Cast> = fc.record({
  people: fc.array(part, { minLength: PEOPLE, maxLength: PEOPLE }),
  token: fc.record({ permissions: fc.subarray([...FOR_TOKENS]), scope: region }),
})

/** The commands, weighted so that grants come to be watched and a run tries everything several times. */
export function commands(tally: Tally, options: { maxCommands: number; replayPath?: string }) {
  const who = fc.nat({ max: PEOPLE - 1 })
  const pick = fc.nat({ max: 9999 })
  const sensitivity = fc.constantFrom('public' as const, 'controlled' as const, 'restricted' as const)
  const policy = fc.record({
    maxMinutes: fc.constantFrom(5, 30, 480),
    maxHistoryMinutes: fc.constantFrom(0, 60),
    needsNote: fc.boolean(),
    needsIncident: fc.boolean(),
    needsSecondPerson: fc.boolean(),
    outside: fc.constantFrom('no' as const, 'id' as const, 'name' as const),
  })
  const wish = fc.record({
    camera: fc.nat({ max: 9999 }),
    isNear: often,
    hasNote: often,
    incident: fc.oneof(fc.constant('there'), fc.option(region, { nil: undefined })),
    minutes: fc.constantFrom(1, 10, 60),
    historyMinutes: fc.constantFrom(undefined, undefined, 1, 59),
  })
  const caller = fc.oneof(
    { weight: 6, arbitrary: who },
    fc.constantFrom('token' as const, 'edge' as const, 'nobody' as const),
  )
  const asking = fc.tuple(who, wish).map(([index, one]) => doings.ask(index, one))
  const watching = fc.tuple(who, pick).map(([index, one]) => doings.watch(index, one))
  const answering = fc.tuple(who, pick, fc.boolean()).map((all) => doings.answer(...all))
  const trying = fc.tuple(caller, pick).map(([one, number]) => doings.tryAll(one, number, tally))
  const common = [
    asking,
    asking,
    asking,
    asking,
    watching,
    watching,
    watching,
    answering,
    answering,
    trying,
    trying,
    trying,
  ]
  const rare = [
    who.map(doings.signIn),
    who.map(doings.signOut),
    who.map(doings.endSessions),
    who.map(doings.disable),
    who.map(doings.listen),
    who.map(doings.listen),
    region.map(doings.alert),
    region.map(doings.alert),
    region.map(doings.endIncident),
    fc.tuple(who, permissions).map((all) => doings.setRole(...all)),
    fc.tuple(who, region).map((all) => doings.setScope(...all)),
    fc.tuple(who, fc.boolean()).map((all) => doings.setDuty(...all)),
    fc.tuple(who, hours).map((all) => doings.setHours(...all)),
    fc.tuple(who, region, fc.boolean()).map((all) => doings.setMember(...all)),
    fc.tuple(who, pick).map((all) => doings.revoke(...all)),
    fc.constantFrom(1, 16, 61, 481).map(doings.timePasses),
    fc.tuple(sensitivity, policy).map((all) => doings.setPolicy(...all)),
    fc.constant(doings.revokeToken()),
  ]
  return fc.commands([...common, ...rare], { ...options, size: 'max' })
}

/** Begins a run: takes back what the one before did, and puts this cast on the stage. */
export async function begin(world: World, { people, token }: Cast): Promise<Model> {
  const { db } = world
  const tables = ['export', 'viewing_mark', 'viewing', 'viewing_grant'] as const
  for (const table of tables) await db.deleteFrom(table).execute()
  await db.updateTable('incident').set({ state: 'acknowledged', hold_reason: null }).execute()
  await db.updateTable('dispatch').set({ state: 'acknowledged' }).execute()
  for (const [sensitivity, policy] of Object.entries(world.policies)) {
    await world.command(ROOT, 'PUT', `/api/grant-policies/${sensitivity}`, policy)
  }
  const cast = [] as Person[]
  for (const [index, one] of people.entries()) cast.push(await dress(world, index, one))
  const secret = `phs_${newToken()}`
  const row = {
    token_hash: hashToken(secret),
    scope: token.scope,
    permissions: JSON.stringify(token.permissions),
    revoked_at_ms: null,
  }
  await db.updateTable('service_token').set(row).where('token_id', '=', TOKEN_ID).execute()
  const incidents = world.things.filter(({ kind }) => kind === 'incident')
  return {
    people: cast,
    token: {
      kind: 'token',
      tokenId: TOKEN_ID,
      authorization: `Bearer ${secret}`,
      permissions: new Set(token.permissions),
      scope: token.scope,
      isRevoked: false,
      expiresAtMs: Number.MAX_SAFE_INTEGER,
    },
    policies: world.policies,
    incidents: new Map(incidents.map(({ id, region: place }) => [id, { region: place, isOver: false }])),
    grants: [],
    listeners: [],
    watchers: [],
  }
}

const TOKEN_ID = 'the-token'

/** The accounts and the token that the casts play with; once. */
export async function hire(world: World): Promise<void> {
  const { db } = world
  for (let index = 0; index < PEOPLE; index++) {
    const role = `slot-${index}`
    await db.insertInto('role').values({ role_id: role, name: role, is_built_in: 0 }).execute()
    await world.addUser(role, '4105', `person-${index}`)
  }
  const row = {
    token_id: TOKEN_ID,
    name: TOKEN_ID,
    token_hash: '',
    scope: '4105',
    permissions: '[]',
    created_by: world.rootUserId,
    created_at_ms: Date.now(),
    expires_at_ms: Number.MAX_SAFE_INTEGER,
    revoked_at_ms: null,
    last_used_at_ms: null,
  }
  await db.insertInto('service_token').values(row).execute()
}

async function dress(world: World, index: number, one: Part): Promise<Person> {
  const { db } = world
  const username = `person-${index}`
  const roleId = `slot-${index}`
  const { user_id: userId } = await db
    .selectFrom('user_account')
    .select('user_id')
    .where('username', '=', username)
    .executeTakeFirstOrThrow()
  const clock = (hour: number) => `${String(hour).padStart(2, '0')}:00`
  const row = {
    role: roleId,
    scope: one.scope,
    is_disabled: 0,
    is_on_duty: one.isOnDuty ? 1 : 0,
    must_change_password: one.hasOneTimePassword ? 1 : 0,
    allowed_hours:
      one.hours &&
      JSON.stringify([{ days: [1, 2, 3, 4, 5, 6, 7], from: clock(one.hours.from), to: clock(one.hours.to) }]),
  } as const
  await db.updateTable('user_account').set(row).where('user_id', '=', userId).execute()
  await db.deleteFrom('session').where('user_id', '=', userId).execute()
  await db.deleteFrom('team_member').where('user_id', '=', userId).execute()
  await db.deleteFrom('role_permission').where('role_id', '=', roleId).execute()
  for (const permission of one.permissions) {
    await db.insertInto('role_permission').values({ role_id: roleId, permission }).execute()
  }
  const teamIds = one.teams.map((place) => teamOf(world.things, place))
  for (const teamId of teamIds)
    await db.insertInto('team_member').values({ team_id: teamId, user_id: userId }).execute()
  const session = await world.addSession(userId, SESSION_MS)
  return {
    kind: 'person',
    name: username,
    userId,
    username,
    roleId,
    permissions: new Set(one.permissions),
    scope: one.scope,
    isOnDuty: one.isOnDuty,
    hours: one.hours,
    teamIds,
    isDisabled: false,
    hasOneTimePassword: one.hasOneTimePassword,
    session,
    cookie: session.cookie,
  }
}

function teamOf(things: readonly Thing[], region: string): string {
  return things.find((thing) => thing.kind === 'team' && thing.region === region)!.id
}
