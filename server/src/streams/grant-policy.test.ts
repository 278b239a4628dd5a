import { describe, expect, it } from 'vitest'
import { STRICTEST } from '../access/camera-policy.ts'
import type { Obligation } from '../access/decide.ts'
import type { TargetCamera } from './grant-cameras.ts'
import {
  endOf,
  openCameras,
  PENDING_MS,
  problemsOfSpan,
  problemsUnder,
  type Standing,
  stateAt,
} from './grant-policy.ts'

const PUBLIC = { sensitivity: 'public', policy: { ...STRICTEST, needsNote: false, needsSecondPerson: false } }
const RESTRICTED = { sensitivity: 'restricted', policy: STRICTEST }
const camera = (cameraId: string, region: string, values: typeof PUBLIC = PUBLIC): TargetCamera => ({
  cameraId,
  name: cameraId,
  edgeId: 'e1',
  region,
  ...values,
})
/** For one camera, where it is now. */
const at = (region: string, values: typeof PUBLIC = PUBLIC): Pick<Standing, 'target' | 'cameras'> => ({
  target: { kind: 'camera', region },
  cameras: [camera('cam', region, values)],
})
const standing: Standing = {
  state: 'active',
  createdAtMs: 1000,
  beginAtMs: 1000,
  note: '',
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
  ...at('410502003'),
  askedCameras: new Set(),
  askedFrom: null,
  history: undefined,
  incidentState: null,
  activation: null,
}
const user = (values: Partial<Standing['user']>): Standing => ({
  ...standing,
  user: { ...standing.user, ...values },
})

/** Asked for from outside the camera's scope, approved. */
const outside = (values: Partial<Standing['user']>, may: 'no' | 'id' = 'id'): Standing => ({
  ...user({ scope: '410502', ...values }),
  approverId: 'u2',
  askedFrom: '410502',
  ...at('410503', { ...PUBLIC, policy: { ...PUBLIC.policy, outside: may } }),
})

describe('a request', () => {
  it('lacks what the decision and the purpose ask for', () => {
    const problems = (obligations: Obligation[], purpose: 'alert_check' | 'other', note?: string) =>
      problemsUnder(obligations, note === undefined ? { purpose } : { purpose, note }).length
    expect(problems([], 'alert_check')).toBe(0)
    expect(problems([], 'other')).toBe(1)
    expect(problems(['note'], 'alert_check')).toBe(1)
    expect(problems(['note'], 'other', ' \n')).toBe(2)
    expect(problems(['note', 'second-person'], 'other', 'why')).toBe(0)
    expect(problems(['incident'], 'alert_check', 'why')).toBe(1)
    const linked = { purpose: 'alert_check', incidentId: 'i1' } as const
    expect(problemsUnder(['incident'], linked)).toEqual([])
  })
})

describe('a span of history', () => {
  it('lies in the past, has a length, and one that the policy allows', () => {
    const nowMs = 10_000_000
    const problems = (fromMs: number, toMs: number, maxHistoryMinutes = 60) =>
      problemsOfSpan({ fromMs, toMs }, { maxHistoryMinutes }, nowMs).length
    expect(problems(nowMs - 3_600_000, nowMs)).toBe(0)
    expect(problems(nowMs - 3_600_001, nowMs)).toBe(1)
    expect(problems(nowMs - 1000, nowMs + 4000)).toBe(0)
    expect(problems(nowMs - 1000, nowMs + 60_000)).toBe(1)
    expect(problems(5, 5)).toBe(1)
    expect(problems(nowMs + 60_000, 5)).toBe(1)
    expect(problems(nowMs - 1000, nowMs, 0)).toBe(1)
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
      [user({ hours: [{ days: [4], from: '12:00', to: '13:00' }] }), 2000, 'out of hours'],
      [{ ...user({ isOnDuty: false, hours: [] }), approverId: 'u2' }, 2000, undefined],
      [{ ...standing, incidentState: 'handled' }, 2000, undefined],
      [{ ...standing, incidentState: 'closed' }, 2000, 'incident over'],
      [{ ...standing, incidentState: 'dismissed' }, 2000, 'incident over'],
      [outside({}), 2000, undefined],
      [outside({ scope: '410504' }), 2000, 'scope'],
      [outside({ scope: '4105' }), 2000, undefined],
      [outside({}, 'no'), 2000, 'scope'],
      [user({ scope: '410503' }), 2000, 'scope'],
      [user({ scope: '4105' }), 2000, undefined],
      [{ ...standing, target: { kind: 'camera', region: undefined }, cameras: [] }, 2000, 'camera gone'],
      [{ ...standing, ...at('410503') }, 2000, 'scope'],
      [{ ...standing, ...at('410502', RESTRICTED) }, 2000, 'now restricted'],
      [{ ...standing, ...at('410502', RESTRICTED), approverId: 'u2' }, 2000, undefined],
      [{ ...standing, state: 'pending' }, 70_000, undefined],
      [{ ...standing, state: 'pending' }, 1000 + PENDING_MS, 'unanswered'],
    ]
    for (const [one, nowMs, why] of cases) expect(endOf(one, nowMs)?.why).toBe(why)
  })

  it('given by a plan waits while something stands against it, and ends with the plan', () => {
    const plan = (values: Partial<Standing['user']>, isOver = false, isMeant = true): Standing => ({
      ...user(values),
      activation: { isOver, isMeant },
    })
    expect(openCameras(plan({}), 2000)).toHaveLength(1)
    for (const values of [{ isSignedIn: false }, { isOnDuty: false }, { scope: '410503' }]) {
      expect(endOf(plan(values), 2000)).toBeUndefined()
      expect(openCameras(plan(values), 2000)).toEqual([])
    }
    expect(endOf(plan({}, false, false), 2000)).toBeUndefined()
    expect(openCameras(plan({}, false, false), 2000)).toEqual([])
    expect(endOf(plan({}, true), 2000)?.why).toBe('plan over')
    expect(endOf(plan({}), 61_000)?.why).toBe('time')
  })

  it('is shown as expired before that is on the record', () => {
    expect(stateAt(standing, 60_999)).toBe('active')
    expect(stateAt(standing, 61_000)).toBe('expired')
    expect(stateAt({ ...standing, state: 'pending' }, 1000 + PENDING_MS)).toBe('expired')
    expect(stateAt({ ...standing, state: 'revoked' }, 99_000)).toBe('revoked')
  })
})

describe('a grant for a group', () => {
  const group = (values: Partial<Standing>): Standing => ({
    ...standing,
    target: { kind: 'group', region: '410502' },
    ...values,
  })
  const opened = (values: Partial<Standing>, nowMs = 2000) =>
    openCameras(group(values), nowMs).map(({ cameraId }) => cameraId)
  const cameras = [camera('a', '410502003'), camera('b', '410502', RESTRICTED)]
  const asked = new Set(['a', 'b'])

  it('opens what its user would be granted one by one', () => {
    expect(opened({ cameras, askedCameras: asked })).toEqual(['a'])
    expect(opened({ cameras, askedCameras: asked, approverId: 'u2' })).toEqual(['a', 'b'])
    expect(opened({ cameras, askedCameras: asked, approverId: 'u2', state: 'pending' })).toEqual([])
    expect(opened({ cameras, askedCameras: asked, approverId: 'u2' }, 61_000)).toEqual([])
    const moved = user({ scope: '410502004' })
    expect(opened({ cameras, askedCameras: asked, user: moved.user })).toEqual([])
    expect(
      opened({ cameras: [], askedCameras: asked, target: { kind: 'group', region: undefined } }),
    ).toEqual([])
  })

  it('opens a camera that came later only if it asks for nothing that the grant lacks', () => {
    const askedCameras = new Set<string>()
    const later = (policy: Partial<typeof STRICTEST>, values: Partial<Standing> = {}, nowMs?: number) => {
      const open = { ...PUBLIC.policy, needsIncident: false, ...policy }
      const late = camera('late', '410502', { ...PUBLIC, policy: open })
      return opened({ cameras: [late], askedCameras, endAtMs: 9_000_000, ...values }, nowMs).length === 1
    }
    expect(later({})).toBe(true)
    expect(later({ needsSecondPerson: true }, { approverId: 'u2' })).toBe(false)
    expect(later({ needsNote: true })).toBe(false)
    expect(later({ needsNote: true }, { note: 'why' })).toBe(true)
    expect(later({ needsIncident: true })).toBe(false)
    expect(later({ needsIncident: true }, { incidentState: 'handled' })).toBe(true)
    expect(later({ maxMinutes: 10 }, {}, 1000 + 599_999)).toBe(true)
    expect(later({ maxMinutes: 10 }, {}, 1000 + 600_000)).toBe(false)
    const history = { fromMs: 0, toMs: 120_000 }
    expect(later({ maxHistoryMinutes: 2 }, { history })).toBe(true)
    expect(later({ maxHistoryMinutes: 1 }, { history })).toBe(false)
    const plan = { activation: { isOver: false, isMeant: true } }
    expect(later({ needsNote: true, needsIncident: true, maxMinutes: 1 }, plan, 900_000)).toBe(true)
    expect(later({ needsSecondPerson: true }, { ...plan, approverId: 'u2' })).toBe(false)
  })
})
