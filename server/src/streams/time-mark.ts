/**
 * Tells a player which time a picture of history was taken at: a script tag `onPatrolhubTime` in AMF0 (AMF 0
 * specification 2.4, 2.5, 2.11; FLV specification E.4.4) with `streamMs`, the player's clock, and `atMs`, the wall clock
 * there. It holds until the next one. Pure.
 */
import { encodeFlvTag, type FlvTag } from '@patrolhub/protocol/flv'

const NUMBER = 0x00
const STRING = 0x02
const ECMA_ARRAY = 0x08
const OBJECT_END = 0x09

export interface TimeMark {
  streamMs: number
  atMs: number
}

export function encodeTimeMark(mark: TimeMark): FlvTag {
  const members = Object.entries(mark)
  const count = Buffer.alloc(5)
  count[0] = ECMA_ARRAY
  count.writeUInt32BE(members.length, 1)
  const payload = [
    Buffer.from([STRING]),
    name('onPatrolhubTime'),
    count,
    ...members.flatMap(([key, value]) => [name(key), number(value)]),
    Buffer.from([0, 0, OBJECT_END]),
  ]
  return encodeFlvTag('script', mark.streamMs, Buffer.concat(payload))
}

function name(text: string): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(text.length)
  return Buffer.concat([length, Buffer.from(text, 'latin1')])
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(9)
  bytes[0] = NUMBER
  bytes.writeDoubleBE(value, 1)
  return bytes
}
