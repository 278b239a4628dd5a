import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRange } from './byte-range.ts'
import { kindOf } from './content-kind.ts'

describe('a byte range', () => {
  it('lies inside the content or is refused', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(200), fc.integer({ min: 1, max: 100 }), (first, last, bytes) => {
        for (const header of [`bytes=${first}-${last}`, `bytes=${first}-`, `bytes=-${last}`]) {
          const range = parseRange(header, bytes)
          if (range === undefined || range === 'unsatisfiable') continue
          expect(range.start).toBeGreaterThanOrEqual(0)
          expect(range.start).toBeLessThanOrEqual(range.end)
          expect(range.end).toBeLessThan(bytes)
        }
      }),
    )
    expect(parseRange('bytes=0-0', 10)).toEqual({ start: 0, end: 0 })
    expect(parseRange('bytes=-4', 10)).toEqual({ start: 6, end: 9 })
    expect(parseRange('bytes=5-', 10)).toEqual({ start: 5, end: 9 })
    expect(parseRange('bytes=10-', 10)).toBe('unsatisfiable')
    expect(parseRange('bytes=-0', 10)).toBe('unsatisfiable')
  })

  it('that is not understood asks for everything', () => {
    for (const header of [undefined, '', 'bytes=', 'bytes=-', 'bytes=5-4', 'bytes=0-1,4-5', 'lines=0-1']) {
      expect(parseRange(header, 10), header).toBeUndefined()
    }
  })
})

describe('the kind of content', () => {
  it('is told by its first bytes, and by nothing else', () => {
    expect(kindOf(Buffer.from([0xff, 0xd8, 0xff, 0xe0]))).toBe('image/jpeg')
    expect(kindOf(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'))).toBe('image/png')
    expect(kindOf(Buffer.from('RIFF....WEBPVP8 '))).toBe('image/webp')
    expect(kindOf(Buffer.from('\0\0\0\x18ftypisom'))).toBe('video/mp4')
    expect(kindOf(Buffer.from('RIFF....WAVE'))).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2 }), (bytes) => kindOf(Buffer.from(bytes)) === undefined),
    )
  })
})
