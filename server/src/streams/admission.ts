/** Who is let through under a grant, to which of its cameras. Whoever lets bytes out asks here, after registering to be cut. */
import { HubError } from '../errors.ts'
import type { TargetCamera } from './grant-cameras.ts'
import { endOf, openCameras, stateAt } from './grant-policy.ts'
import type { GrantRecord } from './grant-store.ts'
import type { Grants } from './grants.ts'

export interface Wanted {
  grantId: string
  /** May be left out where the grant is for one camera. */
  cameraId: string | undefined
  kind: 'live' | 'history'
}

export interface Admitted {
  grant: GrantRecord
  camera: TargetCamera
}

/**
 * Throws HUB_NOT_FOUND for a grant that is not the user's and a camera that it does not open, HUB_GRANT_PENDING,
 * HUB_GRANT_ENDED, HUB_GRANT_KIND.
 */
export async function admit(
  grants: Pick<Grants, 'find'>,
  userId: string,
  { grantId, cameraId, kind }: Wanted,
  now: () => number,
): Promise<Admitted> {
  const grant = await grants.find(grantId)
  // Another's grant is not told from one that does not exist.
  if (!grant || grant.userId !== userId) throw new HubError('HUB_NOT_FOUND', `no grant ${grantId}`)
  const nowMs = now()
  const state = stateAt(grant, nowMs)
  if (state === 'pending') throw new HubError('HUB_GRANT_PENDING', 'the grant waits for its approval')
  if (state !== 'active' || endOf(grant, nowMs)) {
    throw new HubError('HUB_GRANT_ENDED', `the grant does not hold any more: ${state}`)
  }
  const isFor = grant.history ? 'history' : 'live'
  if (isFor !== kind)
    throw new HubError('HUB_GRANT_KIND', `the grant is for ${WORDS[isFor]}, not for ${WORDS[kind]}`)
  const open = openCameras(grant, nowMs)
  const isNamed = cameraId !== undefined || grant.target.kind === 'group'
  const camera = isNamed ? open.find((one) => one.cameraId === cameraId) : open[0]
  if (!camera) throw new HubError('HUB_NOT_FOUND', `the grant ${grantId} opens no camera ${cameraId ?? ''}`)
  return { grant, camera }
}

const WORDS = { live: 'live video', history: 'history' } as const
