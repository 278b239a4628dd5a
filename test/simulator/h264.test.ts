import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAnnexB } from './h264.ts'
import { interleaved, packetize, type RtpState, senderReport } from './rtp.ts'
import { RtspReader } from './rtsp-message.ts'

const SPS = [0x67, 0x42, 0xc0, 0x1e]
const PPS = [0x68, 0xce, 0x3c, 0x80]
const idr = (...more: number[]) => [0x65, 0x88, ...more]
const slice = (...more: number[]) => [0x41, 0x9a, ...more]
/** first_mb_in_slice is not 0: a further slice of the same picture. */
const furtherSlice = (...more: number[]) => [0x41, 0x5a, ...more]

function annexB(nals: number[][]): Uint8Array {
  return Uint8Array.from(
    nals.flatMap((nal, index) => (index % 2 === 0 ? [0, 0, 0, 1, ...nal] : [0, 0, 1, ...nal])),
  )
}

const freshState = (): RtpState => ({ ssrc: 7, sequence: 65_534, packetCount: 0, octetCount: 0 })

describe('an H.264 file', () => {
  it('is cut into pictures, with parameter sets before their key picture and all slices together', () => {
    const { units, sps, pps } = parseAnnexB(
      annexB([[9, 0xf0], SPS, PPS, idr(1), slice(2), furtherSlice(3), [9, 0xf0], slice(4)]),
    )
    expect(units.map((unit) => unit.isKey)).toEqual([true, false, false])
    expect(units.map((unit) => unit.nals.length)).toEqual([3, 2, 1])
    expect([...sps]).toEqual(SPS)
    expect([...pps]).toEqual(PPS)
  })

  it('without parameter sets or without a key picture at its beginning is refused', () => {
    expect(() => parseAnnexB(annexB([idr(1)]))).toThrow(/parameter sets/)
    expect(() => parseAnnexB(annexB([SPS, PPS, slice(1)]))).toThrow(/key picture/)
    expect(() => parseAnnexB(new Uint8Array())).toThrow()
  })
})

describe('RTP packets', () => {
  /** RFC 6184 the other way round: what a receiver makes of the packets. */
  function reassemble(packets: Buffer[]): Buffer[] {
    const nals: Buffer[] = []
    for (const packet of packets) {
      const payload = packet.subarray(12)
      if ((payload[0]! & 0x1f) !== 28) {
        nals.push(payload)
        continue
      }
      const header = Buffer.of((payload[0]! & 0xe0) | (payload[1]! & 0x1f))
      if (payload[1]! & 0x80) nals.push(Buffer.concat([header, payload.subarray(2)]))
      else nals[nals.length - 1] = Buffer.concat([nals.at(-1)!, payload.subarray(2)])
    }
    return nals
  }

  it('put together again are the NAL units, in packets no larger than a network takes', () => {
    const nal = fc.uint8Array({ minLength: 2, maxLength: 5000 }).map((bytes) => {
      bytes[0] = (bytes[0]! & 0x60) | (1 + (bytes[0]! % 8))
      return bytes
    })
    fc.assert(
      fc.property(fc.array(nal, { minLength: 1, maxLength: 4 }), (nals) => {
        const packets = packetize(nals, 90_000, freshState())
        expect(reassemble(packets).map((each) => each.toString('hex'))).toEqual(
          nals.map((each) => Buffer.from(each).toString('hex')),
        )
        expect(Math.max(...packets.map((packet) => packet.length))).toBeLessThanOrEqual(1412)
        expect(packets.map((packet) => (packet[1]! & 0x80) !== 0)).toEqual(
          packets.map((_, index) => index === packets.length - 1),
        )
      }),
    )
  })

  it('are numbered on past 65535, and a timestamp past 32 bits begins again', () => {
    const packets = packetize([new Uint8Array(5000).fill(1)], 2 ** 32 + 5, freshState())
    expect(packets.map((packet) => packet.readUInt16BE(2))).toEqual([65_534, 65_535, 0, 1])
    expect(packets[0]!.readUInt32BE(4)).toBe(5)
  })

  it('are reported with the NTP time of the wall clock', () => {
    const state = freshState()
    packetize([new Uint8Array(100)], 1, state)
    const report = senderReport(state, 1_500, 45)
    expect(report.readUInt32BE(8)).toBe(2_208_988_801)
    expect(report.readUInt32BE(12)).toBe(2 ** 31)
    expect(report.readUInt32BE(16)).toBe(45)
    expect(report.readUInt32BE(20)).toBe(1)
    expect(report.readUInt32BE(24)).toBe(100)
    expect(report.length % 4).toBe(0)
  })
})

describe('RTSP requests', () => {
  const text =
    'SETUP rtsp://c/track1 RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 2\r\n\r\nabOPTIONS * RTSP/1.0\r\n\r\n'

  it('are found however the bytes are cut, with binary packets in between', () => {
    const bytes = Buffer.concat([
      interleaved(1, Buffer.from('xx')),
      Buffer.from(text),
      interleaved(1, Buffer.from('$$')),
    ])
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
        const reader = new RtspReader()
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const requests = edges
          .slice(1)
          .flatMap((end, index) => reader.push(bytes.subarray(edges[index], end)))
        expect(requests.map((request) => request.method)).toEqual(['SETUP', 'OPTIONS'])
        expect(requests[0]!.headers.get('cseq')).toBe('3')
      }),
    )
  })

  it('that are none end with an error, not with memory', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const reader = new RtspReader()
        try {
          reader.push(Buffer.from(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
        }
      }),
    )
    const reader = new RtspReader()
    expect(() => {
      for (let i = 0; i < 100; i += 1) reader.push(Buffer.alloc(1000, 'a'))
    }).toThrow(/no end/)
  })
})
