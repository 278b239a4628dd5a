import type { Camera, CameraState, DeviceHealth, Edge } from '@patrolhub/protocol'
import type { Tone } from '../../ui/state-mark.tsx'

export const CAMERA_TONES: Readonly<Record<CameraState | 'unknown', Tone>> = {
  online: 'good',
  connecting: 'warn',
  degraded: 'warn',
  offline: 'bad',
  unknown: 'dim',
}

export const MEASURING_TONES: Readonly<Record<DeviceHealth['state'], Tone>> = {
  online: 'good',
  silent: 'bad',
  waiting: 'dim',
}

export const EDGE_TONES: Readonly<Record<Edge['state'], Tone>> = {
  online: 'good',
  offline: 'bad',
  'never seen': 'dim',
}

/** What a camera is in now: what its edge last said means nothing while the edge itself is away. */
export function cameraState(camera: Camera, edges: readonly Edge[]): CameraState | 'unknown' {
  const edge = edges.find((item) => item.edgeId === camera.edgeId)
  if (edge?.state !== 'online') return 'unknown'
  return camera.health?.state ?? 'unknown'
}
