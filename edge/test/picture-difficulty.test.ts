/** The quantiser of pictures, as real ffmpeg codes them, against what it was told to take. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { FlvReader, readVideoPacket } from '@patrolhub/protocol/flv'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PictureDifficulty } from '../src/capture/picture-difficulty.ts'
import { SliceQp } from '../src/capture/slice-qp.ts'

const run = promisify(execFile)

/** Bytes and difficulty of each picture of a second of moving pattern, coded with one quantiser. */
async function coded(qp: number, ...options: string[]) {
  const { stdout } = await run(
    'ffmpeg',
    [
      ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=1', '-c:v', 'libx264'],
      ...['-g', '10', '-x264-params', `qp=${qp}:ipratio=1:pbratio=1:aq-mode=0`, ...options, '-f', 'flv', '-'],
    ],
    { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 },
  )
  const tags = new FlvReader({ maxTagBytes: 8 * 1024 * 1024 }).push(stdout)
  const difficulty = new PictureDifficulty()
  const head = tags.filter((tag) => readVideoPacket(tag).role === 'sequence-header').map(({ bytes }) => bytes)
  return tags
    .filter((tag) => tag.kind === 'video' && ['key-frame', 'frame'].includes(readVideoPacket(tag).role))
    .map(({ bytes }) => {
      const isKeyFrame = false
      const found = difficulty.of({ bytes, ptsMs: 0, isKeyFrame }, 'flv', head)
      return { bytes: bytes.length, qp: Math.round(6 * Math.log2(found / bytes.length)) }
    })
}

describe('the difficulty of a picture', () => {
  it.each<[string, number, string[]]>([
    ['baseline', 30, ['-profile:v', 'baseline']],
    [
      'main with B-frames and weights',
      27,
      ['-profile:v', 'main', '-bf', '3', '-weightb', '1', '-weightp', '2'],
    ],
    [
      'high with many references',
      22,
      ['-profile:v', 'high', '-refs', '4', '-bf', '2', '-b-pyramid', 'normal'],
    ],
    ['interlaced', 35, ['-flags', '+ildct+ilme', '-top', '1']],
    ['in slices', 24, ['-slices', '4']],
    ['monochrome', 26, ['-pix_fmt', 'gray']],
    ['4:4:4', 20, ['-pix_fmt', 'yuv444p']],
  ])('takes in the quantiser: %s', async (_name, qp, options) => {
    const pictures = await coded(qp, ...options)
    expect(pictures).toHaveLength(25)
    expect(new Set(pictures.map((picture) => picture.qp))).toEqual(new Set([qp]))
  })

  it('is the size where there is no quantiser to be read', () => {
    const bytes = Buffer.alloc(500, 7)
    const of = (container: 'flv' | 'mpegts', head: Buffer[]) =>
      new PictureDifficulty().of({ bytes, ptsMs: 0, isKeyFrame: true }, container, head)
    expect(of('mpegts', [])).toBe(500)
    expect(of('flv', [])).toBe(500)
    expect(of('flv', [Buffer.from([9, 0])])).toBe(500)
  })

  it('takes arbitrary bytes for pictures and parameter sets without an exception', () => {
    const nal = fc
      .tuple(fc.constantFrom(0x67, 0x68, 0x65, 0x41, 0x01), fc.uint8Array({ maxLength: 60 }))
      .map(([first, rest]) => Uint8Array.from([first, ...rest]))
    fc.assert(
      fc.property(fc.array(nal, { maxLength: 12 }), fc.uint8Array({ maxLength: 80 }), (nals, rest) => {
        const slices = new SliceQp()
        for (const each of nals) {
          const qp = slices.read(each)
          if (qp !== undefined) expect(qp).toSatisfy((value: number) => value >= 0 && value <= 51)
        }
        const tag = Buffer.from([
          9,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0x17,
          rest[0] ?? 0,
          0,
          0,
          0,
          ...rest,
          0,
          0,
          0,
          0,
        ])
        expect(
          new PictureDifficulty().of({ bytes: tag, ptsMs: 0, isKeyFrame: true }, 'flv', [tag]),
        ).toBeGreaterThan(0)
      }),
      { numRuns: 500 },
    )
  })
})
