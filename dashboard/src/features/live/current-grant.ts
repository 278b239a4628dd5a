import type { Grant } from '@patrolhub/protocol'

/**
 * The grant of this person for this camera that matters now, for live video or for history: an active one before a
 * pending one before the newest that is over; `undefined` if there was never one. An `active` one whose end has passed
 * counts as over.
 */
export function currentGrant(
  grants: readonly Grant[],
  who: { userId: string; cameraId: string; kind: 'live' | 'history'; nowMs: number },
): Grant | undefined {
  const own = grants.filter(
    ({ userId, cameraId, history }) =>
      userId === who.userId && cameraId === who.cameraId && (history === undefined) === (who.kind === 'live'),
  )
  const newest = own.toSorted((a, b) => b.beginAtMs - a.beginAtMs)
  return (
    newest.find((grant) => grant.state === 'active' && grant.endAtMs > who.nowMs) ??
    newest.find((grant) => grant.state === 'pending') ??
    newest[0]
  )
}
