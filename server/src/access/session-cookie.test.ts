import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { noSessionCookie, sessionCookie, tokenFromCookies } from './session-cookie.ts'
import { hashToken, newOneTimePassword, newToken, tokenMatches } from './token.ts'

describe('the session cookie', () => {
  it('is found among others, and only in its own form', () => {
    const token = newToken()
    const set = sessionCookie(token, 60, true)
    expect(set).toContain('; Secure')
    expect(tokenFromCookies(`a=b; ${set.split(';')[0]}; c=d`)).toBe(token)
    expect(tokenFromCookies(noSessionCookie(false).split(';')[0])).toBeUndefined()
    for (const header of [
      undefined,
      '',
      'patrolhub_session',
      `xpatrolhub_session=${token}`,
      `${set}x`.slice(0, 40),
    ]) {
      expect(tokenFromCookies(header)).toBeUndefined()
    }
    fc.assert(fc.property(fc.string(), (header) => tokenFromCookies(header) === undefined))
  })

  it('has a token that only its holder can name', () => {
    const token = newToken()
    expect(tokenMatches(token, hashToken(token))).toBe(true)
    expect(tokenMatches(newToken(), hashToken(token))).toBe(false)
    expect(tokenMatches(token, '')).toBe(false)
    expect(newOneTimePassword()).toMatch(/^(\w{5}-){3}\w{5}$/)
    expect(newOneTimePassword()).not.toBe(newOneTimePassword())
  })
})
