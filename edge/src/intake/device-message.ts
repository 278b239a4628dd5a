/** A message of a device as it reached the edge, whichever way, and what became of it. */
import type { Refusal } from './fields.ts'

export interface DeviceMessage {
  deviceId: string
  kind: 'passages' | 'readings'
  /** Topic or path that it came by. */
  topic: string
  payload: Buffer
  /** The device says, or its way of sending implies, that an equal message before was the same one. */
  isRepeat: boolean
}

/** Every object of a message, in order. */
export interface Taken {
  /** Names that the device gave them; empty where it gave none. */
  ids: readonly string[]
  /** Why objects were refused, each with its `item`, or the whole message without one. */
  refusals: readonly Refusal[]
}
