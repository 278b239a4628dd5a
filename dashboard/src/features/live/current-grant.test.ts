import type { Grant } from '@patrolhub/protocol'
import { describe, expect, it } from 'vitest'
import { currentGrant } from './current-grant.ts'

const grant = (grantId: string, state: Grant['state'], beginAtMs: number, endAtMs: number, userId = 'me') =>
  ({
    grantId,
    state,
    beginAtMs,
    endAtMs,
    userId,
    target: { kind: 'camera', id: 'cam', name: 'cam' },
    cameras: [{ cameraId: 'cam', name: 'cam', ...(state === 'active' ? { playPath: `/${grantId}` } : {}) }],
  }) as Grant
const who = { userId: 'me', cameraId: 'cam', kind: 'live', nowMs: 100 } as const

describe('currentGrant', () => {
  it('prefers an active grant to a pending one and both to one that is over', () => {
    const over = grant('over', 'revoked', 90, 95)
    const pending = grant('pending', 'pending', 80, 200)
    const active = grant('active', 'active', 10, 200)
    expect(currentGrant([over, pending, active], who)).toBe(active)
    expect(currentGrant([over, pending], who)).toBe(pending)
    expect(currentGrant([over], who)).toBe(over)
  })

  it('does not take an active grant whose end has passed for a valid one', () => {
    const late = grant('late', 'active', 10, 99)
    const next = grant('next', 'pending', 20, 200)
    expect(currentGrant([late, next], who)).toBe(next)
  })

  it('takes a grant for history for history only', () => {
    const history = { ...grant('history', 'active', 50, 200), history: { fromMs: 1, toMs: 2 } }
    const live = grant('live', 'pending', 60, 200)
    expect(currentGrant([history, live], who)).toBe(live)
    expect(currentGrant([history, live], { ...who, kind: 'history' })).toBe(history)
  })

  it('takes one for a group that opens the camera, and none for a group that does not', () => {
    const target = { kind: 'group', id: 'g', name: 'g' } as const
    const group = { ...grant('group', 'active', 20, 200), target }
    const over = grant('over', 'revoked', 90, 95)
    expect(currentGrant([over, group], who)).toBe(group)
    const shut = { ...group, cameras: [{ cameraId: 'cam', name: 'cam' }] }
    expect(currentGrant([over, shut], who)).toBe(over)
  })

  it("never takes somebody else's", () => {
    expect(currentGrant([grant('a', 'active', 1, 200, 'other')], who)).toBeUndefined()
  })
})
