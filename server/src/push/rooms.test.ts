import type { BuiltInRole } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isSameOrigin } from '../access/origin.ts'
import { ROLE_PERMISSIONS } from '../access/permissions.ts'
import type { Principal } from '../access/principal.ts'
import { roomsOfPrincipal, roomsOfTarget } from './rooms.ts'

const code = fc
  .constantFrom(4, 6, 9, 12, 15)
  .chain((length) => fc.stringMatching(new RegExp(`^[01]{${length}}$`)))

const principal = ({
  role = 'operator',
  ...more
}: Partial<Principal> & { role?: BuiltInRole }): Principal => ({
  userId: 'u1',
  username: 'u',
  displayName: 'U',
  role,
  roleName: role,
  permissions: ROLE_PERMISSIONS[role],
  scope: '4105',
  teamIds: [],
  isOnDuty: true,
  hours: null,
  sessionHash: 'h',
  mustChangePassword: false,
  hasSecondFactor: false,
  mustEnrolSecondFactor: false,
  askedAtMs: 0,
  ...more,
})

const isTold = (
  who: Principal,
  target: Parameters<typeof roomsOfTarget>[0],
  event: Parameters<typeof roomsOfTarget>[1],
) => {
  const rooms = new Set(roomsOfPrincipal(who))
  return roomsOfTarget(target, event).some((room) => rooms.has(room))
}

describe('rooms', () => {
  it('tell a watcher of what lies in their scope and of nothing else', () => {
    fc.assert(
      fc.property(code, code, (scope, region) => {
        expect(isTold(principal({ scope }), { region }, 'alert')).toBe(region.startsWith(scope))
      }),
    )
  })

  it('tell a role of what it may read only; a patroller of nothing by scope', () => {
    const told = (role: BuiltInRole) =>
      (['alert', 'incident', 'evidence', 'dispatch', 'edge', 'camera', 'grant'] as const)
        .filter((event) => isTold(principal({ role, teamIds: ['t1'] }), { region: '410502' }, event))
        .join(' ')
    expect(told('operator')).toBe('alert incident evidence dispatch edge camera')
    expect(told('supervisor')).toBe('alert incident evidence dispatch edge camera grant')
    expect(told('engineer')).toBe('edge camera')
    expect(told('auditor')).toBe('')
    expect(told('patroller')).toBe('')
    expect(isTold(principal({ role: 'patroller', teamIds: ['t1'] }), { teamId: 't1' }, 'dispatch')).toBe(true)
    expect(isTold(principal({ role: 'patroller', teamIds: ['t1'] }), { teamId: 't2' }, 'dispatch')).toBe(
      false,
    )
    expect(isTold(principal({}), { userId: 'u1' }, 'grant')).toBe(true)
    expect(isTold(principal({}), { userId: 'u2' }, 'grant')).toBe(false)
  })
})

describe('the origin of a handshake', () => {
  it('has to be the host that is asked; programs without one pass', () => {
    const same = (origin: string | undefined, host: string, more = {}, trustsProxy = false) =>
      isSameOrigin({ ...(origin === undefined ? {} : { origin }), host, ...more }, trustsProxy)
    expect(same(undefined, 'hub:8440')).toBe(true)
    expect(same('http://hub:8440', 'hub:8440')).toBe(true)
    expect(same('https://hub', 'hub:443')).toBe(true)
    expect(same('http://hub:8441', 'hub:8440')).toBe(false)
    expect(same('https://hub.evil.example', 'hub')).toBe(false)
    expect(same('null', 'hub')).toBe(false)
    expect(same('', 'hub')).toBe(false)
    const forwarded = { 'x-forwarded-host': 'outside.example' }
    expect(same('https://outside.example', 'inside:8440', forwarded)).toBe(false)
    expect(same('https://outside.example', 'inside:8440', forwarded, true)).toBe(true)
  })
})
