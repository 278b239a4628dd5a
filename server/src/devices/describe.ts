/** Which devices of a hello the hub takes, decided without touching the store. */
import { covers, type Hello } from '@patrolhub/protocol'
import type { EdgeIdentity } from '../ports/broker.ts'
import type { DeviceRow } from './device-store.ts'

export interface Described {
  devices: Omit<DeviceRow, 'health'>[]
  /** What was not taken, and why, in words for an engineer. */
  refused: { deviceId: string; reason: string }[]
}

/**
 * A device lies in the region of its edge and belongs to one edge: to the one that described it first, until that one
 * no longer does. Otherwise any edge could speak for the cameras of another.
 */
export function describedDevices(
  edge: EdgeIdentity,
  hello: Hello,
  ownerOf: (deviceId: string) => string | undefined,
): Described {
  const taken = new Map<string, Omit<DeviceRow, 'health'>>()
  const refused: Described['refused'] = []
  const take = (
    deviceId: string,
    kind: DeviceRow['kind'],
    description: { name: string; region: string },
    sensitivity: string,
  ) => {
    const owner = ownerOf(deviceId)
    if (taken.has(deviceId)) {
      refused.push({ deviceId, reason: 'two devices of the edge have this id' })
    } else if (owner !== undefined && owner !== edge.edgeId) {
      refused.push({ deviceId, reason: `this id belongs to edge ${owner}` })
    } else if (!covers(edge.region, description.region)) {
      refused.push({
        deviceId,
        reason: `region ${description.region} lies outside the edge's region ${edge.region}`,
      })
    } else {
      taken.set(deviceId, {
        device_id: deviceId,
        edge_id: edge.edgeId,
        kind,
        region: description.region,
        name: description.name,
        sensitivity,
        description: JSON.stringify(description),
      })
    }
  }
  for (const camera of hello.cameras) take(camera.cameraId, 'camera', camera, camera.sensitivity)
  for (const checkpoint of hello.checkpoints)
    take(checkpoint.checkpointId, 'checkpoint', checkpoint, 'public')
  for (const sensor of hello.sensors) take(sensor.sensorId, 'sensor', sensor, 'public')
  return { devices: [...taken.values()], refused }
}

/** Every device id that the hello names. */
export function describedIds(hello: Hello): string[] {
  return [
    ...hello.cameras.map((camera) => camera.cameraId),
    ...hello.checkpoints.map((checkpoint) => checkpoint.checkpointId),
    ...hello.sensors.map((sensor) => sensor.sensorId),
  ]
}
