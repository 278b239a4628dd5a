import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PERMISSIONS, ROLE_PERMISSIONS } from './permissions.ts'
import { mayReach, roomOfScope, roomsOfRegion } from './scope.ts'

const code = fc
  .constantFrom(4, 6, 9, 12, 15)
  .chain((length) => fc.stringMatching(new RegExp(`^[01]{${length}}$`)))

describe('the scope', () => {
  it('says the same in rooms as in the one function', () => {
    fc.assert(
      fc.property(code, code, (scope, region) => {
        expect(roomsOfRegion(region).includes(roomOfScope(scope))).toBe(mayReach({ scope }, region))
      }),
    )
  })
})

describe('permissions', () => {
  it('give nobody what is not in the list, and leave none that nobody has', () => {
    const given = new Set(Object.values(ROLE_PERMISSIONS).flatMap((set) => [...set]))
    expect([...given].sort()).toEqual([...PERMISSIONS].sort())
  })

  it('keep the work of a patrol apart from the control room, and the record from those it is about', () => {
    for (const [role, permissions] of Object.entries(ROLE_PERMISSIONS)) {
      expect(permissions.has('dispatch.step'), role).toBe(role === 'patroller')
      if (['operator', 'patroller', 'engineer'].includes(role))
        expect(permissions.has('audit.read'), role).toBe(false)
      if (role !== 'administrator') expect(permissions.has('user.write'), role).toBe(false)
    }
  })
})
