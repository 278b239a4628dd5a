import { type CameraPolicy, covers } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { STRICTEST } from './camera-policy.ts'
import { decide, type Subject, whyNot } from './decide.ts'
import { isInHours } from './hours.ts'
import { ONLY_ON_DUTY, PERMISSIONS, ROLE_PERMISSIONS } from './permissions.ts'

const code = fc
  .constantFrom(4, 6, 9, 12, 15)
  .chain((length) => fc.stringMatching(new RegExp(`^[01]{${length}}$`)))
const WORKDAYS = [{ days: [1, 2, 3, 4, 5], from: '08:00', to: '18:00' }]
const subject = fc.record<Subject>({
  role: fc.constant('composed'),
  permissions: fc.subarray([...PERMISSIONS]).map((some) => new Set(some)),
  scope: code,
  isOnDuty: fc.boolean(),
  hours: fc.constantFrom(null, WORKDAYS),
})
/** Sunday 22 November 2026, noon in China. */
const SUNDAY_NOON = Date.UTC(2026, 10, 22, 4)
const DAY_MS = 86_400_000

const operator: Subject = {
  role: 'operator',
  permissions: ROLE_PERMISSIONS.operator,
  scope: '410502',
  isOnDuty: true,
  hours: WORKDAYS,
}

describe('the decision', () => {
  it('allows only what permission, scope, duty and hours all allow, and names each that does not', () => {
    const action = fc.constantFrom(...PERMISSIONS)
    const place = fc.option(code, { nil: undefined })
    fc.assert(
      fc.property(subject, action, place, (who, what, region) => {
        const decision = decide(who, what, region === undefined ? {} : { region }, { atMs: SUNDAY_NOON })
        const broken = [
          ...(who.permissions.has(what) ? [] : ['permission']),
          ...(region === undefined || covers(who.scope, region) ? [] : ['scope']),
          ...(ONLY_ON_DUTY.has(what) && !who.isOnDuty ? ['duty'] : []),
          ...(what === 'grant.approve' && who.hours !== null ? ['hours'] : []),
        ]
        expect(decision.checks.filter(({ ok }) => !ok).map(({ rule }) => rule)).toEqual(broken)
        expect(decision.effect).toBe(broken.length === 0 ? 'allow' : 'deny')
        expect(whyNot(decision) === '').toBe(broken.length === 0)
      }),
    )
  })

  it('denies what it does not know', () => {
    const all = { ...operator, permissions: new Set(PERMISSIONS) }
    for (const action of ['', 'toString', '__proto__', 'incident', 'incident.delete']) {
      expect(decide(all, action, {}, { atMs: 0 }).effect).toBe('deny')
    }
  })

  it('asks for a note and a second person by the camera, and for a second person off duty and out of hours', () => {
    const open = { ...STRICTEST, needsNote: false, needsSecondPerson: false }
    const asks = (policy: Partial<CameraPolicy>, atMs: number, who = operator, region = '410502003') => {
      const camera = { sensitivity: 'public', policy: { ...open, ...policy } }
      const { effect, obligations } = decide(who, 'grant.request', { region, camera }, { atMs })
      return effect === 'deny' ? effect : obligations.sort()
    }
    const monday = SUNDAY_NOON + DAY_MS
    expect(asks({}, monday)).toEqual([])
    expect(asks({ needsNote: true }, monday)).toEqual(['note'])
    expect(asks({ needsIncident: true }, monday)).toEqual(['incident'])
    expect(asks(STRICTEST, monday)).toEqual(['note', 'second-person'])
    expect(asks({}, SUNDAY_NOON), 'out of hours').toEqual(['second-person'])
    expect(asks({}, monday, { ...operator, isOnDuty: false }), 'off duty').toEqual(['second-person'])
    expect(asks({}, monday, operator, '410503'), 'outside the scope').toBe('deny')
    expect(asks({ outside: 'id' }, monday, operator, '410503')).toEqual(['note', 'second-person'])
    const elsewhere = {
      region: '410503',
      camera: { sensitivity: 'public', policy: { ...open, outside: 'id' as const } },
    }
    for (const action of ['grant.approve', 'device.read', 'grant.revoke-any'] as const) {
      const all = { ...operator, permissions: new Set(PERMISSIONS) }
      expect(decide(all, action, elsewhere, { atMs: monday }).effect, 'asking only').toBe('deny')
    }
  })
})

describe('hours', () => {
  it('are those of China, and run over midnight', () => {
    const night = [{ days: [6], from: '20:00', to: '06:00' }]
    const at = (hour: number) => isInHours(night, SUNDAY_NOON + (hour - 12) * 3_600_000)
    const around = [-5, -4, 0, 5.99, 6, 20].map(at)
    expect(around, 'hours of Sunday; Saturday night').toEqual([false, true, true, true, false, false])
    expect(isInHours(null, 0)).toBe(true)
    const whole = [{ days: [7], from: '00:00', to: '00:00' }]
    expect([isInHours(whole, SUNDAY_NOON), isInHours(whole, SUNDAY_NOON - DAY_MS)]).toEqual([true, false])
  })
})
