import fc from 'fast-check'
import jpeg from 'jpeg-js'
import { describe, expect, it } from 'vitest'
import { jpegSize, readPictures } from './picture.ts'
import { Digest, parseAuthorization } from './viid/digest.ts'

const picture = jpeg.encode({ width: 24, height: 16, data: Buffer.alloc(24 * 16 * 4, 90) }, 60).data
const limits = { count: 2, bytes: 100_000 }
const list = (...data: unknown[]) => ({ SubImageInfoObject: data.map((Data) => ({ Data })) })

describe('pictures of a passage', () => {
  it('are JPEG files with a size, whole, small enough and not too many', () => {
    expect(jpegSize(picture)).toEqual({ widthPx: 24, heightPx: 16 })
    const text = picture.toString('base64')
    const { pictures, unusable } = readPictures(list(text, '', 7, 'AAAA', text, text), limits)
    expect(pictures.map(({ widthPx, heightPx }) => [widthPx, heightPx])).toEqual([
      [24, 16],
      [24, 16],
    ])
    expect(unusable, 'one that is none, one too many').toBe(2)
    expect(readPictures(list(text), { count: 1, bytes: 10 })).toEqual({ pictures: [], unusable: 1 })
  })

  it('are refused, never thrown over, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(picture.length - 1), (noise, at) => {
        jpegSize(Buffer.from(noise))
        expect(jpegSize(picture.subarray(0, at))).toBeUndefined()
        const spoilt = Buffer.from(picture)
        Buffer.from(noise).copy(spoilt, at)
        const size = jpegSize(spoilt)
        if (size) expect(Math.min(size.widthPx, size.heightPx)).toBeGreaterThan(0)
      }),
    )
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        expect(readPictures(anything, limits).pictures).toEqual([])
      }),
    )
  })
})

describe('a digest', () => {
  it('is refused, never thrown over, whatever the header says', () => {
    const digest = new Digest('realm', [{ username: 'a', password: 'b' }])
    const parts = fc.array(
      fc.tuple(fc.constantFrom('username', 'nonce', 'nc', 'qop', 'uri', 'x'), fc.string()),
    )
    fc.assert(
      fc.property(fc.oneof(fc.string(), parts), (input) => {
        const authorization =
          typeof input === 'string'
            ? input
            : `Digest ${input.map(([name, value]) => `${name}="${value}"`).join(',')}`
        expect(digest.check({ method: 'POST', uri: '/', authorization }, 0).ok).toBe(false)
        parseAuthorization(authorization)
      }),
    )
  })
})
