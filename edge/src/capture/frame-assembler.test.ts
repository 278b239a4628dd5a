import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameAssembler, FrameInfoReader, type RawFrame } from './frame-assembler.ts'

const info = (streamMs: number) => ({ streamMs, pictureWidthPx: 2, pictureHeightPx: 1 })

describe('FrameAssembler', () => {
  it('pairs pixels and times in order, however they are cut and whichever comes first', () => {
    const event = fc.oneof(fc.constant('time' as const), fc.integer({ min: 1, max: 9 }))
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const frames: RawFrame[] = []
        const assembler = new FrameAssembler(6, (frame) => frames.push(frame))
        let written = 0
        let announced = 0
        for (const each of events) {
          if (each === 'time') {
            // Within the bound of halves without a partner.
            if (announced - Math.floor(written / 6) < 16) assembler.announce(info(announced++ * 40))
          } else if (Math.floor((written + each) / 6) - announced < 16) {
            assembler.write(Buffer.from(Array.from({ length: each }, () => written++ & 0xff)))
          }
        }
        expect(frames).toHaveLength(Math.min(announced, Math.floor(written / 6)))
        frames.forEach((frame, index) => {
          expect(frame.streamMs).toBe(index * 40)
          expect([...frame.data]).toEqual(Array.from({ length: 6 }, (_, byte) => (index * 6 + byte) & 0xff))
        })
      }),
    )
  })

  it('gives each frame memory of its own', () => {
    const frames: RawFrame[] = []
    const assembler = new FrameAssembler(3, (frame) => frames.push(frame))
    assembler.write(Buffer.from([1, 2, 3, 4, 5, 6]))
    assembler.announce(info(0))
    assembler.announce(info(40))
    frames[0]!.data.fill(9)
    expect([...frames[1]!.data]).toEqual([4, 5, 6])
    expect(frames[0]!.data.buffer).not.toBe(frames[1]!.data.buffer)
  })

  it('says so when times come without pictures', () => {
    const assembler = new FrameAssembler(6, () => undefined)
    expect(() => {
      for (let index = 0; index < 20; index += 1) assembler.announce(info(index))
    }).toThrow('17 frame times came without their other half')
  })
})

describe('FrameInfoReader', () => {
  it('reads time and picture size, and follows a new time base', () => {
    const reader = new FrameInfoReader()
    const line = (pts: number): string =>
      `[Parsed_showinfo_3 @ 0x55] n:   2 pts: ${pts} pts_time:2      duration: -1 fmt:bgr24 sar:1/1 s:416x234 i:P iskey:0 type:P`
    expect(
      reader.read('[Parsed_showinfo_3 @ 0x55] config in time_base: 1/90000, frame_rate: 10/1'),
    ).toBeUndefined()
    expect(reader.read(line(180_000))).toEqual({ streamMs: 2000, pictureWidthPx: 416, pictureHeightPx: 234 })
    reader.read('[Parsed_showinfo_3 @ 0x77] config in time_base: 1/1000, frame_rate: 10/1')
    expect(reader.read(line(2500))?.streamMs).toBe(2500)
    expect(reader.read('[h264 @ 0x55] error while decoding MB 3 4')).toBeUndefined()
  })
})
