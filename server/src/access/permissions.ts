/** Every permission there is, and what the built-in roles are shipped with. What a role may do now stands in the store. */
import { BUILT_IN_ROLES, type BuiltInRole } from '@patrolhub/protocol'

/** Every permission with what it allows, always inside the scope of whoever has it. */
const MEANING = {
  'overview.read': 'see the counts of the scope',
  'alert.read': 'see alerts, and hear of them as they come',
  'incident.read': 'see incidents and how they were worked on',
  'incident.move': 'accept, verify, close or dismiss an incident',
  'incident.dispatch': 'send a team to an incident',
  'dispatch.read':
    "see dispatches: with `incident.read` those of the scope, with `dispatch.step` those of one's own teams",
  'dispatch.step': "acknowledge, arrive, close and add photos, for dispatches of one's own teams",
  'device.read': 'see edges, cameras, checkpoints and sensors',
  'series.read': 'see what checkpoints and sensors measured',
  'evidence.read': 'see snapshots, clips and photos',
  'evidence.hold': 'keep the evidence of an incident beyond its time, or let it go again',
  'grant.request': 'ask to view a camera',
  'grant.approve': 'approve or refuse the viewing of a restricted camera',
  'grant.revoke-any': 'end the viewing of somebody else',
  'group.write': 'make groups of cameras and change what is in them',
  'export.make': 'take recorded video out as a signed package, under a grant for history',
  'plan.read': 'see emergency plans, and who watches under them',
  'plan.write': 'write emergency plans: who commands, and which groups of cameras are opened to them',
  'plan.activate': 'activate an emergency plan or a drill of it, and end it',
  'team.read': 'see teams and who is in them',
  'team.write': 'make teams and change who is in them',
  'user.read': 'see accounts, their sessions, and the roles',
  'user.write': 'make, change, unlock and disable accounts, end their sessions, give new one-time passwords',
  'duty.write': 'say who is on duty',
  'role.write': 'compose roles; over the whole hub only',
  'access.explain': 'see why somebody may or may not do something',
  'token.write': 'make and revoke service tokens',
  'policy.write': 'change what cameras ask of who wants to watch them; over the whole hub only',
  'watchlist.read': 'see which plates are looked for and why, without the plates',
  'watchlist.write': 'ask that a plate be looked for, and end that',
  'watchlist.approve': "agree that a plate is looked for at somebody else's request, and read it",
  'plate.read':
    'read the plate of a passage in clear, or look for the passages of a plate, with a reason, so many an hour',
  'edge.write': 'make the credential of an edge',
  'region.write': 'name a division',
  'audit.read': 'read the record of who did what',
} as const
export type Permission = keyof typeof MEANING
export const PERMISSIONS = Object.keys(MEANING) as readonly Permission[]

export function isPermission(name: string): name is Permission {
  return Object.hasOwn(MEANING, name)
}

const WATCH: readonly Permission[] = [
  'overview.read',
  'alert.read',
  'incident.read',
  'dispatch.read',
  'device.read',
  'series.read',
  'evidence.read',
  'team.read',
]

/** What the built-in roles begin with. */
export const ROLE_PERMISSIONS: Readonly<Record<BuiltInRole, ReadonlySet<Permission>>> = {
  operator: new Set([
    ...WATCH,
    'incident.move',
    'incident.dispatch',
    'grant.request',
    'plan.read',
    'watchlist.read',
  ]),
  supervisor: new Set([
    ...WATCH,
    'incident.move',
    'incident.dispatch',
    'evidence.hold',
    'grant.request',
    'grant.approve',
    'grant.revoke-any',
    'export.make',
    'group.write',
    'plan.read',
    'plan.write',
    'plan.activate',
    'watchlist.read',
    'watchlist.write',
    'watchlist.approve',
    'plate.read',
    'duty.write',
    'access.explain',
    'audit.read',
  ]),
  // Reads the incident and the evidence of their own teams' dispatches only: dispatch and evidence check.
  patroller: new Set(['dispatch.read', 'dispatch.step']),
  engineer: new Set(['overview.read', 'device.read', 'series.read', 'edge.write', 'region.write']),
  auditor: new Set(['overview.read', 'plan.read', 'audit.read']),
  administrator: new Set(PERMISSIONS.filter((permission) => permission !== 'dispatch.step')),
}

/** Without these nobody could repair the roles any more: the administrator keeps them. */
export const KEPT_BY_ADMINISTRATOR: readonly Permission[] = [
  'user.read',
  'user.write',
  'role.write',
  'audit.read',
]

/** Power over people and the record. Nobody hands out one of these without having it. */
export const PRIVILEGED: ReadonlySet<Permission> = new Set([
  'grant.approve',
  'grant.revoke-any',
  'plan.write',
  'plan.activate',
  'watchlist.approve',
  'plate.read',
  'team.write',
  'user.read',
  'user.write',
  'duty.write',
  'role.write',
  'access.explain',
  'token.write',
  'policy.write',
  'audit.read',
])

/** What a service token may be given: it reads, and keeps the list of edges and places. Acting is for people. */
export const FOR_SERVICES: ReadonlySet<Permission> = new Set([...WATCH, 'edge.write', 'region.write'])

/** Acting, as against looking: only while on duty. */
export const ONLY_ON_DUTY: ReadonlySet<Permission> = new Set([
  'incident.move',
  'incident.dispatch',
  'grant.approve',
  'plan.activate',
  'watchlist.approve',
  'plate.read',
])

/** Outside one's hours this is refused; what is not listed here or below does not ask for the hour. */
export const ONLY_IN_HOURS: ReadonlySet<Permission> = new Set(['grant.approve'])
/** Off duty or outside one's hours this needs a second person who agrees. */
export const SECOND_PERSON_OFF_DUTY: ReadonlySet<Permission> = new Set(['grant.request'])

/** The matrix for the documents: every permission, what it allows, and which roles begin with it. */
export function describePermissions(): {
  permission: Permission
  meaning: string
  roles: BuiltInRole[]
  rules: string[]
}[] {
  return PERMISSIONS.map((permission) => ({
    permission,
    meaning: MEANING[permission],
    roles: BUILT_IN_ROLES.filter((role) => ROLE_PERMISSIONS[role].has(permission)),
    rules: [
      ...(ONLY_ON_DUTY.has(permission) ? ['on duty'] : []),
      ...(ONLY_IN_HOURS.has(permission) ? ['in hours'] : []),
      ...(SECOND_PERSON_OFF_DUTY.has(permission) ? ['second person off duty and out of hours'] : []),
      ...(permission === 'grant.request'
        ? ["what the camera's sensitivity asks for, see `GET /api/grant-policies`"]
        : []),
      ...(FOR_SERVICES.has(permission) ? ['also for service tokens'] : []),
    ],
  }))
}
