/**
 * RTP for H.264: access units in, RTP packets out (RFC 3550, RFC 6184 packetization mode 1: single NAL units and
 * FU-A), with sender reports. Pure: the caller gives clock and numbers.
 */

/** RFC 6184 8.2.1: the clock of H.264 runs at 90 kHz. */
export const RTP_CLOCK_HZ = 90_000
export const PAYLOAD_TYPE = 96
const MAX_PAYLOAD_BYTES = 1400
const FU_A = 28
/** Seconds between 1900 (NTP) and 1970 (Unix). */
const NTP_OFFSET_SECONDS = 2_208_988_800

export interface RtpState {
  ssrc: number
  /** Number of the next packet, 0..65535. */
  sequence: number
  packetCount: number
  octetCount: number
}

/**
 * Packets of one access unit; the last has the marker bit. Advances `state`.
 * @param timestamp 90 kHz, taken modulo 2^32
 */
export function packetize(nals: readonly Uint8Array[], timestamp: number, state: RtpState): Buffer[] {
  const packets: Buffer[] = []
  for (const [index, nal] of nals.entries()) {
    const isLastNal = index === nals.length - 1
    if (nal.length <= MAX_PAYLOAD_BYTES) {
      packets.push(rtpPacket([nal], isLastNal, timestamp, state))
      continue
    }
    // RFC 6184 5.8: the NAL header is split over FU indicator and FU header; fragments carry what follows it.
    const indicator = (nal[0]! & 0xe0) | FU_A
    const type = nal[0]! & 0x1f
    const step = MAX_PAYLOAD_BYTES - 2
    for (let at = 1; at < nal.length; at += step) {
      const isStart = at === 1
      const isEnd = at + step >= nal.length
      const header = (isStart ? 0x80 : 0) | (isEnd ? 0x40 : 0) | type
      const fragment = nal.subarray(at, Math.min(at + step, nal.length))
      packets.push(
        rtpPacket([Uint8Array.of(indicator, header), fragment], isLastNal && isEnd, timestamp, state),
      )
    }
  }
  return packets
}

function rtpPacket(parts: Uint8Array[], marker: boolean, timestamp: number, state: RtpState): Buffer {
  const header = Buffer.alloc(12)
  header[0] = 0x80
  header[1] = (marker ? 0x80 : 0) | PAYLOAD_TYPE
  header.writeUInt16BE(state.sequence, 2)
  header.writeUInt32BE(modulo32(timestamp), 4)
  header.writeUInt32BE(state.ssrc, 8)
  const payloadBytes = parts.reduce((sum, part) => sum + part.length, 0)
  state.sequence = (state.sequence + 1) & 0xffff
  state.packetCount += 1
  state.octetCount += payloadBytes
  return Buffer.concat([header, ...parts], 12 + payloadBytes)
}

/** RTCP compound packet of a sender report and a source description (RFC 3550 6.4.1, 6.5). */
export function senderReport(state: RtpState, wallMs: number, timestamp: number): Buffer {
  const report = Buffer.alloc(28)
  report[0] = 0x80
  report[1] = 200
  report.writeUInt16BE(6, 2)
  report.writeUInt32BE(state.ssrc, 4)
  const seconds = Math.floor(wallMs / 1000)
  report.writeUInt32BE(modulo32(seconds + NTP_OFFSET_SECONDS), 8)
  report.writeUInt32BE(Math.floor(((wallMs - seconds * 1000) / 1000) * 2 ** 32), 12)
  report.writeUInt32BE(modulo32(timestamp), 16)
  report.writeUInt32BE(modulo32(state.packetCount), 20)
  report.writeUInt32BE(modulo32(state.octetCount), 24)

  const name = Buffer.from('patrolhub-simulator')
  // CNAME item, ended by at least one zero byte, padded to 32 bits.
  const itemBytes = Math.ceil((2 + name.length + 1) / 4) * 4
  const description = Buffer.alloc(8 + itemBytes)
  description[0] = 0x81
  description[1] = 202
  description.writeUInt16BE((8 + itemBytes) / 4 - 1, 2)
  description.writeUInt32BE(state.ssrc, 4)
  description[8] = 1
  description[9] = name.length
  name.copy(description, 10)
  return Buffer.concat([report, description])
}

/** RFC 2326 10.12: a packet inside the RTSP connection. */
export function interleaved(channel: number, packet: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(4 + packet.length)
  frame[0] = 0x24
  frame[1] = channel
  frame.writeUInt16BE(packet.length, 2)
  frame.set(packet, 4)
  return frame
}

export function modulo32(value: number): number {
  return ((value % 2 ** 32) + 2 ** 32) % 2 ** 32
}
