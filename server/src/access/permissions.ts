/** What each role may do. Deny by default: what is not listed is not allowed. */
import type { Role } from '@patrolhub/protocol'

/** Every permission with what it allows, always inside the scope of whoever has it. */
const MEANING = {
  'overview.read': 'see the counts of the scope',
  'alert.read': 'see alerts, and hear of them as they come',
  'incident.read': 'see incidents and how they were worked on',
  'incident.move': 'accept, verify, close or dismiss an incident',
  'incident.dispatch': 'send a team to an incident',
  'dispatch.read': "see dispatches: those of the scope; as a patroller those of one's own teams only",
  'dispatch.step': "acknowledge, arrive, close and add photos, for dispatches of one's own teams",
  'device.read': 'see edges, cameras, checkpoints and sensors',
  'series.read': 'see what checkpoints and sensors measured',
  'evidence.read': 'see snapshots, clips and photos',
  'grant.request': 'ask to view a camera',
  'grant.approve': 'approve or refuse the viewing of a restricted camera',
  'grant.revoke-any': 'end the viewing of somebody else',
  'team.read': 'see teams and who is in them',
  'team.write': 'make teams and change who is in them',
  'user.read': 'see accounts',
  'user.write': 'make and disable accounts, give new one-time passwords',
  'edge.write': 'make the credential of an edge',
  'region.write': 'name a division',
  'audit.read': 'read the record of who did what',
} as const
export type Permission = keyof typeof MEANING
export const PERMISSIONS = Object.keys(MEANING) as readonly Permission[]

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

export const ROLE_PERMISSIONS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  operator: new Set([...WATCH, 'incident.move', 'incident.dispatch', 'grant.request']),
  supervisor: new Set([
    ...WATCH,
    'incident.move',
    'incident.dispatch',
    'grant.request',
    'grant.approve',
    'grant.revoke-any',
    'audit.read',
  ]),
  // A patroller reads the incident and the evidence of their own teams' dispatches only: the dispatch feature checks.
  patroller: new Set(['dispatch.read', 'dispatch.step']),
  engineer: new Set(['overview.read', 'device.read', 'series.read', 'edge.write', 'region.write']),
  auditor: new Set(['overview.read', 'audit.read']),
  administrator: new Set(PERMISSIONS.filter((permission) => permission !== 'dispatch.step')),
}

export function roleMay(role: Role, permission: Permission): boolean {
  return ROLE_PERMISSIONS[role].has(permission)
}

/** The matrix for the documents: every permission, what it allows, and which roles have it. */
export function describePermissions(): { permission: Permission; meaning: string; roles: Role[] }[] {
  const roles = Object.keys(ROLE_PERMISSIONS) as Role[]
  return PERMISSIONS.map((permission) => ({
    permission,
    meaning: MEANING[permission],
    roles: roles.filter((role) => roleMay(role, permission)),
  }))
}
