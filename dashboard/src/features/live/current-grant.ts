import type { Grant } from '@patrolhub/protocol'

/** Where this camera is played under the grant; `undefined` if the grant does not open it now. */
export function playPathOf(grant: Grant, cameraId: string): string | undefined {
  return grant.cameras.find((camera) => camera.cameraId === cameraId)?.playPath
}

/**
 * The grant of this person for this camera, or for a group with it, that matters now, for live video or for history: an
 * active one that opens it before a pending one before the newest that is over; `undefined` if there was never one. An `active` one whose end has passed
 * counts as over.
 */
export function currentGrant(
  grants: readonly Grant[],
  who: { userId: string; cameraId: string; kind: 'live' | 'history'; nowMs: number },
): Grant | undefined {
  const own = grants.filter(
    (grant) =>
      grant.userId === who.userId &&
      grant.cameras.some(({ cameraId }) => cameraId === who.cameraId) &&
      (grant.history === undefined) === (who.kind === 'live'),
  )
  const newest = own.toSorted((a, b) => b.beginAtMs - a.beginAtMs)
  return (
    newest.find((grant) => grant.endAtMs > who.nowMs && playPathOf(grant, who.cameraId) !== undefined) ??
    newest.find((grant) => grant.state === 'pending') ??
    newest.find((grant) => grant.target.kind === 'camera')
  )
}
