/**
 * What is allowed, said once more and in other words than the code: permissions come from the published matrix, a scope
 * is a prefix, a grant is a list of things that must all hold. Imports nothing of the hub but types.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { CameraPolicy, Sensitivity } from '@patrolhub/protocol'

/** Which built-in role has what, read from the page that the operators read. */
export const MATRIX: Readonly<Record<string, ReadonlySet<string>>> = readMatrix()
export const PERMISSIONS: readonly string[] = [...MATRIX.everything!]
export const FOR_TOKENS: readonly string[] = [...MATRIX.tokens!]

function readMatrix(): Record<string, Set<string>> {
  const page = readFileSync(resolve(import.meta.dirname, '../../../docs/ref/permissions.md'), 'utf8')
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
  const header = rows[0]!
  const matrix: Record<string, Set<string>> = { everything: new Set(), tokens: new Set() }
  for (const role of header.slice(3, -2)) matrix[role] = new Set()
  for (const row of rows.slice(2)) {
    const permission = row[1]!.replaceAll('`', '')
    matrix.everything!.add(permission)
    if (row.at(-2)!.includes('service tokens')) matrix.tokens!.add(permission)
    header.forEach((role, column) => {
      if (row[column] === '✓') matrix[role]!.add(permission)
    })
  }
  return matrix
}

/** Acting, not looking: refused off duty. */
const NEEDS_DUTY = [
  'incident.move',
  'incident.dispatch',
  'grant.approve',
  'plan.activate',
  'watchlist.approve',
  'plate.read',
]
const NEEDS_HOURS = ['grant.approve']
/** Nobody touches an account whose role has one of these that they lack. */
const POWER = [
  ...['grant.approve', 'grant.revoke-any', 'team.write', 'user.read', 'user.write', 'duty.write'],
  ...['plan.write', 'plan.activate', 'watchlist.approve', 'plate.read'],
  ...['role.write', 'access.explain', 'token.write', 'policy.write', 'audit.read'],
]

export interface Hours {
  /** In the time of China; from the one hour to the other. */
  from: number
  to: number
}

export interface Session {
  cookie: string
  hash: string
  expiresAtMs: number
}

export interface Person {
  kind: 'person'
  name: string
  userId: string
  username: string
  roleId: string
  permissions: ReadonlySet<string>
  scope: string
  isOnDuty: boolean
  hours: Hours | null
  teamIds: readonly string[]
  isDisabled: boolean
  hasOneTimePassword: boolean
  session: Session | undefined
  /** Of the newest session that there was; kept when it ends, as somebody might. */
  cookie: string
}

export interface Token {
  kind: 'token'
  tokenId: string
  authorization: string
  permissions: ReadonlySet<string>
  scope: string
  isRevoked: boolean
  expiresAtMs: number
}

export interface EdgeCaller {
  kind: 'edge'
  edgeId: string
  authorization: string
}

export type Caller = Person | Token | EdgeCaller | { kind: 'nobody' }
/** Who can have a permission at all. */
export type Subject = Person | Token

export const inside = (scope: string, region: string): boolean => region.startsWith(scope)

export function isIn(hours: Hours | null, atMs: number): boolean {
  if (hours === null) return true
  const hour = (Math.floor(atMs / 3_600_000) + 8) % 24
  return hours.from < hours.to ? hour >= hours.from && hour < hours.to : hour >= hours.from || hour < hours.to
}

export function isSignedIn(who: Subject, nowMs: number): boolean {
  if (who.kind === 'token') return !who.isRevoked && nowMs < who.expiresAtMs
  return !who.isDisabled && who.session !== undefined && nowMs < who.session.expiresAtMs
}

/** Whether they have it now, wherever. */
export function has(who: Subject, permission: string, nowMs: number): boolean {
  if (!who.permissions.has(permission)) return false
  if (who.kind === 'token') return true
  if (NEEDS_DUTY.includes(permission) && !who.isOnDuty) return false
  return !NEEDS_HOURS.includes(permission) || isIn(who.hours, nowMs)
}

/** Who goes out with a team sees what the team is sent to, wherever it is. */
export function worksFor(who: Subject, teamId: string | undefined): boolean {
  return (
    who.kind === 'person' &&
    teamId !== undefined &&
    who.permissions.has('dispatch.step') &&
    who.teamIds.includes(teamId)
  )
}

export function lacksPowerOver(who: Subject, role: ReadonlySet<string>): boolean {
  return POWER.some((permission) => role.has(permission) && !who.permissions.has(permission))
}

export interface Camera {
  cameraId: string
  region: string
  sensitivity: Sensitivity
}

export type Policies = Record<Sensitivity, CameraPolicy>

export interface GrantModel {
  grantId: string
  user: Person
  camera: Camera
  isForHistory: boolean
  /** A package that was made under it. */
  exportId?: string
  incidentId: string | undefined
  state: 'pending' | 'active' | 'refused' | 'ended'
  createdAtMs: number
  /** Of an active one. */
  endsAtMs: number
  hasSecondPerson: boolean
  /** Where the asker's scope was, for a camera outside it. */
  askedFrom: string | undefined
}

export const UNANSWERED_MS = 15 * 60_000

/** Whether a second person has to agree that they watch this camera now. */
export function needsSecondPerson(who: Person, camera: Camera, policies: Policies, nowMs: number): boolean {
  const isOutside = !inside(who.scope, camera.region)
  return (
    isOutside || !who.isOnDuty || !isIn(who.hours, nowMs) || policies[camera.sensitivity].needsSecondPerson
  )
}

export interface Wish {
  note: string
  incidentId: string | undefined
  /** Of recorded history; `undefined` for live. */
  historyMinutes?: number | undefined
}

/** What becomes of a request: an HTTP status that refuses it, or the state that the grant begins in. */
export function requestOutcome(
  who: Person,
  camera: Camera,
  wish: Wish,
  world: { policies: Policies; incidents: ReadonlyMap<string, { region: string; isOver: boolean }> },
  nowMs: number,
): 403 | 404 | 422 | 'pending' | 'active' {
  const policy = world.policies[camera.sensitivity]
  const isOutside = !inside(who.scope, camera.region)
  if (!has(who, 'grant.request', nowMs)) return 403
  if (isOutside && policy.outside === 'no') return 404
  const incident = wish.incidentId === undefined ? undefined : world.incidents.get(wish.incidentId)!
  if (incident && !inside(who.scope, incident.region)) return 404
  const lacksNote = wish.note.trim() === '' && (policy.needsNote || isOutside)
  const isTooLong = (wish.historyMinutes ?? 0) > policy.maxHistoryMinutes
  if (lacksNote || isTooLong || (policy.needsIncident && !incident) || incident?.isOver) return 422
  return needsSecondPerson(who, camera, world.policies, nowMs) ? 'pending' : 'active'
}

/** True while everything holds that an open grant rests on. */
export function holds(
  grant: GrantModel,
  world: { policies: Policies; incidents: ReadonlyMap<string, { isOver: boolean }> },
  nowMs: number,
): boolean {
  const { user, camera } = grant
  const isOutside = !inside(user.scope, camera.region)
  return (
    (grant.state === 'pending' ? nowMs < grant.createdAtMs + UNANSWERED_MS : nowMs < grant.endsAtMs) &&
    isSignedIn(user, nowMs) &&
    user.permissions.has('grant.request') &&
    !(grant.incidentId !== undefined && world.incidents.get(grant.incidentId)!.isOver) &&
    !(isOutside && (grant.askedFrom !== user.scope || world.policies[camera.sensitivity].outside === 'no')) &&
    (grant.state === 'pending' ||
      grant.hasSecondPerson ||
      !needsSecondPerson(user, camera, world.policies, nowMs))
  )
}
