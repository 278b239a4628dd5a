import type { Grant } from '@patrolhub/protocol'

/**
 * The grant of this person for this camera that matters now: an active one before a pending one before the newest that
 * is over; `undefined` if there was never one. An `active` one whose end has passed counts as over.
 */
export function currentGrant(
  grants: readonly Grant[],
  who: { userId: string; cameraId: string; nowMs: number },
): Grant | undefined {
  const own = grants.filter((grant) => grant.userId === who.userId && grant.cameraId === who.cameraId)
  const newest = own.toSorted((a, b) => b.beginAtMs - a.beginAtMs)
  return (
    newest.find((grant) => grant.state === 'active' && grant.endAtMs > who.nowMs) ??
    newest.find((grant) => grant.state === 'pending') ??
    newest[0]
  )
}
