/** What each role may do. Deny by default: what is not listed is not allowed. */
import type { Role } from '@patrolhub/protocol'

export const PERMISSIONS = [
  'overview.read',
  'alert.read',
  'incident.read',
  'incident.move',
  'incident.dispatch',
  'dispatch.read',
  'dispatch.step',
  'device.read',
  'series.read',
  'evidence.read',
  'grant.request',
  'grant.approve',
  'grant.revoke-any',
  'team.read',
  'team.write',
  'user.read',
  'user.write',
  'edge.write',
  'region.write',
  'audit.read',
] as const
export type Permission = (typeof PERMISSIONS)[number]

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
