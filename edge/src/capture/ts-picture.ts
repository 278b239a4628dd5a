/** What is inside one picture of `TsFeed`: MPEG-TS packets with one PES (ISO/IEC 13818-1, 2.4.3.2 and 2.4.3.6). Pure. */

const PACKET_BYTES = 188
const TICKS_PER_MS = 90
/** Times of MPEG-TS have 33 bits. */
const WRAP_TICKS = 2 ** 33

export interface TsPicture {
  /** The coded picture without tables and headers, in pieces that belong one behind the other. */
  pieces: Buffer[]
  /** So much later than it is decoded it is shown, ms; 0 where pictures are not reordered. */
  compositionMs: number
}

export function readTsPicture(bytes: Buffer): TsPicture {
  const pieces: Buffer[] = []
  let compositionMs = 0
  let videoPid = -1
  for (let at = 0; at + PACKET_BYTES <= bytes.length; at += PACKET_BYTES) {
    const packet = bytes.subarray(at, at + PACKET_BYTES)
    const pid = packet.readUInt16BE(1) & 0x1fff
    const startsUnit = (packet[1]! & 0x40) !== 0
    const hasAdaptation = (packet[3]! & 0x20) !== 0
    const payload = packet.subarray(hasAdaptation ? Math.min(5 + packet[4]!, PACKET_BYTES) : 4)
    const startsPicture =
      startsUnit && payload.length >= 9 && payload.readUIntBE(0, 3) === 1 && (payload[3]! & 0xf0) === 0xe0
    if (startsPicture) {
      videoPid = pid
      compositionMs = readCompositionMs(payload)
      pieces.push(payload.subarray(9 + payload[8]!))
    } else if (pid === videoPid) pieces.push(payload)
  }
  return { pieces, compositionMs }
}

/** A PES says when to decode only where that differs from when to show. */
function readCompositionMs(pes: Buffer): number {
  if ((pes[7]! & 0xc0) !== 0xc0 || pes.length < 19) return 0
  const ticks = (readTicks(pes, 9) - readTicks(pes, 14) + WRAP_TICKS) % WRAP_TICKS
  return Math.round(ticks / TICKS_PER_MS)
}

/** 33 bits in five bytes, between marker bits. */
export function readTicks(bytes: Buffer, at: number): number {
  const high = (bytes[at]! >> 1) & 0x07
  const middle = bytes.readUInt16BE(at + 1) >> 1
  const low = bytes.readUInt16BE(at + 3) >> 1
  return high * 2 ** 30 + middle * 2 ** 15 + low
}
