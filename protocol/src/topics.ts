/**
 * Every MQTT topic of the system, built and parsed here only.
 *
 * Edge and hub (one edge may reach its own subtree and nothing else):
 *   patrolhub/v1/edges/{edgeId}/up/hello              edge -> hub   QoS 1  Hello
 *   patrolhub/v1/edges/{edgeId}/up/{stream}           edge -> hub   QoS 1  Batch, stream = alerts | measurements
 *   patrolhub/v1/edges/{edgeId}/status                edge -> hub   QoS 1  EdgeStatus, retained, also the last will
 *   patrolhub/v1/edges/{edgeId}/down/cursor           hub -> edge   QoS 1  Cursor
 *   patrolhub/v1/edges/{edgeId}/down/relay            hub -> edge   QoS 1  RelayCommand
 *   patrolhub/v1/edges/{edgeId}/down/history          hub -> edge   QoS 1  HistoryCommand
 *   patrolhub/v1/edges/{edgeId}/down/settings         hub -> edge   QoS 1  SettingsOffer
 *   patrolhub/v1/edges/{edgeId}/down/watchlist        hub -> edge   QoS 1  WatchListOffer
 *
 * Device and edge (on the edge's own listener):
 *   devices/{deviceId}/passages                       device -> edge  QoS 0/1  GA/T 1400 MotorVehicle, one or a list
 *   devices/{deviceId}/readings                       device -> edge  QoS 0/1  DeviceReading, one or a list
 */
const ROOT = 'patrolhub/v1/edges'
const ID = '[A-Za-z0-9][A-Za-z0-9_-]{0,63}'

export const STREAMS = ['alerts', 'measurements'] as const
export type Stream = (typeof STREAMS)[number]

/** What a hub sends down to an edge. */
export const DOWN = ['cursor', 'relay', 'history', 'settings', 'watchlist'] as const

export const edgeTopics = {
  hello: (edgeId: string) => `${ROOT}/${edgeId}/up/hello`,
  batch: (edgeId: string, stream: Stream) => `${ROOT}/${edgeId}/up/${stream}`,
  status: (edgeId: string) => `${ROOT}/${edgeId}/status`,
  cursor: (edgeId: string) => `${ROOT}/${edgeId}/down/cursor`,
  relay: (edgeId: string) => `${ROOT}/${edgeId}/down/relay`,
  history: (edgeId: string) => `${ROOT}/${edgeId}/down/history`,
  settings: (edgeId: string) => `${ROOT}/${edgeId}/down/settings`,
  watchlist: (edgeId: string) => `${ROOT}/${edgeId}/down/watchlist`,
} as const

export type UpTopic =
  | { edgeId: string; kind: 'hello' }
  | { edgeId: string; kind: 'batch'; stream: Stream }
  | { edgeId: string; kind: 'status' }

const UP = new RegExp(`^${ROOT}/(${ID})/(?:up/(hello|alerts|measurements)|(status))$`)

/** Parses a topic that an edge may publish to; `undefined` for any other. */
export function parseUpTopic(topic: string): UpTopic | undefined {
  const match = UP.exec(topic)
  if (!match) return undefined
  const edgeId = match[1]!
  if (match[3]) return { edgeId, kind: 'status' }
  if (match[2] === 'hello') return { edgeId, kind: 'hello' }
  return { edgeId, kind: 'batch', stream: match[2] as Stream }
}

/** True if the edge may publish to this topic: a topic of its own that the hub understands. */
export function edgeMayPublish(edgeId: string, topic: string): boolean {
  return parseUpTopic(topic)?.edgeId === edgeId
}

/** True if the edge may subscribe to this filter: its own down topics, by name or by `down/+` or `down/#`. */
export function edgeMaySubscribe(edgeId: string, filter: string): boolean {
  const prefix = `${ROOT}/${edgeId}/down/`
  if (!filter.startsWith(prefix)) return false
  const kind = filter.slice(prefix.length)
  return kind === '+' || kind === '#' || (DOWN as readonly string[]).includes(kind)
}

export const deviceTopics = {
  passages: (deviceId: string) => `devices/${deviceId}/passages`,
  readings: (deviceId: string) => `devices/${deviceId}/readings`,
} as const

export interface DeviceTopic {
  deviceId: string
  kind: 'passages' | 'readings'
}

const DEVICE = new RegExp(`^devices/(${ID})/(passages|readings)$`)

/** Parses a topic that a device publishes to on the edge's listener; `undefined` for any other. */
export function parseDeviceTopic(topic: string): DeviceTopic | undefined {
  const match = DEVICE.exec(topic)
  return match ? { deviceId: match[1]!, kind: match[2] as DeviceTopic['kind'] } : undefined
}
