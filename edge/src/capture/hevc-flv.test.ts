import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HevcFlv, splitNals } from './hevc-flv.ts'
import { readTsPicture } from './ts-picture.ts'

/** Bytes that hold no start code and do not end in a zero, as the standard asks of a NAL unit. */
const anyNal = fc
  .array(fc.integer({ min: 1, max: 255 }), { minLength: 2, maxLength: 40 })
  .map((bytes) => Buffer.from(bytes))
const anyCode = fc.constantFrom(Buffer.from([0, 0, 1]), Buffer.from([0, 0, 0, 1]))

describe('HevcFlv', () => {
  it('finds NAL units behind start codes of either length', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyCode, anyNal)), (parts) => {
        expect(splitNals(Buffer.concat(parts.flat()))).toEqual(parts.map(([, nal]) => nal))
      }),
    )
  })

  it('never throws, whatever a picture holds, and sends nothing before it can be decoded', () => {
    const anyPackets = fc.array(fc.uint8Array({ minLength: 183, maxLength: 183 }), { maxLength: 3 })
    fc.assert(
      fc.property(anyPackets, fc.boolean(), fc.nat(), (packets, isKeyFrame, ptsMs) => {
        const bytes = Buffer.concat(
          packets.flatMap((rest, index) => [
            Buffer.from([0x47, index === 0 ? 0x41 : 1, 0, 0x10, index === 0 ? 0 : 255]),
            rest,
          ]),
        )
        expect(readTsPicture(bytes).pieces.length).toBeLessThanOrEqual(packets.length)
        expect(new HevcFlv().tagsOf({ bytes, isKeyFrame: false, ptsMs })).toEqual([])
        expect(new HevcFlv().tagsOf({ bytes, isKeyFrame, ptsMs }).length).toBeLessThanOrEqual(2)
      }),
    )
  })
})
