/** Which rooms a client joins and which rooms an event goes to. Pure; the scope part is access/scope's. */
import type { PushPayloads } from '@patrolhub/protocol'
import { may } from '../access/decide.ts'
import type { Permission } from '../access/permissions.ts'
import type { Principal } from '../access/principal.ts'
import { roomOfScope, roomsOfRegion } from '../access/scope.ts'
import type { PushTarget } from './push.ts'

/** What a role needs to be told of this event when it happens in its scope. */
const WATCH_PERMISSION: Readonly<Record<keyof PushPayloads, Permission>> = {
  alert: 'alert.read',
  evidence: 'evidence.read',
  incident: 'incident.read',
  // Not dispatch.read: whoever reads no incidents is told of their own teams' work only.
  dispatch: 'incident.read',
  edge: 'device.read',
  camera: 'device.read',
  grant: 'grant.approve',
  plan: 'plan.read',
}

export function roomOfUser(userId: string): string {
  return `user:${userId}`
}
export function roomOfTeam(teamId: string): string {
  return `team:${teamId}`
}
export function roomOfSession(sessionHash: string): string {
  return `session:${sessionHash}`
}
function roomOfWatchers(permission: Permission, scopeRoom: string): string {
  return `${permission}@${scopeRoom}`
}

/** The rooms of one client. A patroller is told of their teams' work only: the role reads nothing of a scope. */
export function roomsOfPrincipal(principal: Principal): string[] {
  const rooms = [roomOfUser(principal.userId), roomOfSession(principal.sessionHash)]
  if (may(principal, 'dispatch.step')) rooms.push(...principal.teamIds.map(roomOfTeam))
  const permissions = new Set(Object.values(WATCH_PERMISSION))
  for (const permission of permissions) {
    if (may(principal, permission)) {
      rooms.push(roomOfWatchers(permission, roomOfScope(principal.scope)))
    }
  }
  return rooms
}

/** The rooms that an event goes to; a socket that is in several gets it once. */
export function roomsOfTarget(target: PushTarget, event: keyof PushPayloads): string[] {
  const rooms: string[] = []
  const permission = WATCH_PERMISSION[event]
  if (target.region !== undefined) {
    rooms.push(...roomsOfRegion(target.region).map((room) => roomOfWatchers(permission, room)))
  }
  if (target.teamId !== undefined) rooms.push(roomOfTeam(target.teamId))
  if (target.userId !== undefined) rooms.push(roomOfUser(target.userId))
  return rooms
}
