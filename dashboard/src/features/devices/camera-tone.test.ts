import type { Camera, Edge } from '@patrolhub/protocol'
import { expect, it } from 'vitest'
import { cameraState } from './camera-tone.ts'

const camera = { edgeId: 'e', health: { state: 'online' } } as Camera
const edge = (state: Edge['state']) => [{ edgeId: 'e', state }] as Edge[]

it('does not believe the last word of an edge that is away', () => {
  expect(cameraState(camera, edge('online'))).toBe('online')
  expect(cameraState(camera, edge('offline'))).toBe('unknown')
  expect(cameraState(camera, [])).toBe('unknown')
  expect(cameraState({ ...camera, health: undefined }, edge('online'))).toBe('unknown')
})
