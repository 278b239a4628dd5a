import { describe, expect, it } from 'vitest'
import { endOf, PENDING_MS, policyFor, problemsUnder, type Standing, stateAt } from './grant-policy.ts'

const standing: Standing = {
  state: 'active',
  createdAtMs: 1000,
  endAtMs: 61_000,
  approverId: null,
  user: {
    role: 'operator',
    permissions: new Set(['grant.request'] as const),
    scope: '410502',
    isOnDuty: true,
    hours: null,
    isDisabled: false,
    isSignedIn: true,
  },
  camera: { region: '410502003', sensitivity: 'public' },
}
const user = (values: Partial<Standing['user']>): Standing => ({
  ...standing,
  user: { ...standing.user, ...values },
})

describe('the policy', () => {
  it('treats a sensitivity that it does not know as restricted', () => {
    expect(policyFor('top-secret')).toBe(policyFor('restricted'))
    expect(policyFor('restricted')).toMatchObject({ needsApproval: true, needsNote: true })
  })

  it('asks for a note by camera and by purpose', () => {
    const problems = (sensitivity: string, purpose: 'alert_check' | 'other', note?: string) =>
      problemsUnder(policyFor(sensitivity), note === undefined ? { purpose } : { purpose, note }).length
    expect(problems('public', 'alert_check')).toBe(0)
    expect(problems('public', 'other')).toBe(1)
    expect(problems('controlled', 'alert_check')).toBe(1)
    expect(problems('controlled', 'other', ' \n')).toBe(2)
    expect(problems('controlled', 'other', 'why')).toBe(0)
  })
})

describe('an open grant', () => {
  it('holds until something ends it, and says what', () => {
    const cases: [Standing, number, string | undefined][] = [
      [standing, 60_999, undefined],
      [standing, 61_000, 'time'],
      [user({ isDisabled: true }), 2000, 'disabled'],
      [user({ isSignedIn: false }), 2000, 'signed out'],
      [user({ permissions: new Set(['grant.approve']) }), 2000, 'role'],
      [user({ isOnDuty: false }), 2000, 'off duty'],
      [user({ hours: [{ days: [4], from: '12:00', to: '13:00' }] }), 2000, undefined],
      [user({ scope: '410503' }), 2000, 'scope'],
      [user({ scope: '4105' }), 2000, undefined],
      [{ ...standing, camera: undefined }, 2000, 'camera gone'],
      [{ ...standing, camera: { region: '410503', sensitivity: 'public' } }, 2000, 'scope'],
      [{ ...standing, camera: { region: '410502', sensitivity: 'restricted' } }, 2000, 'now restricted'],
      [
        { ...standing, camera: { region: '410502', sensitivity: 'restricted' }, approverId: 'u2' },
        2000,
        undefined,
      ],
      [{ ...standing, state: 'pending' }, 70_000, undefined],
      [{ ...standing, state: 'pending' }, 1000 + PENDING_MS, 'unanswered'],
    ]
    for (const [at, nowMs, why] of cases) expect(endOf(at, nowMs)?.why).toBe(why)
  })

  it('is shown as expired before that is on the record', () => {
    expect(stateAt(standing, 60_999)).toBe('active')
    expect(stateAt(standing, 61_000)).toBe('expired')
    expect(stateAt({ ...standing, state: 'pending' }, 1000 + PENDING_MS)).toBe('expired')
    expect(stateAt({ ...standing, state: 'revoked' }, 99_000)).toBe('revoked')
  })
})
