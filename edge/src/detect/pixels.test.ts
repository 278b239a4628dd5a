import fc from 'fast-check'
import { expect, it } from 'vitest'
import { spreadToPlanes } from './pixels.ts'

it('puts each channel of each pixel into its plane, unchanged', () => {
  const areas = fc.integer({ min: 1, max: 50 })
  const pixels = areas.chain((area) => fc.uint8Array({ minLength: area * 3, maxLength: area * 3 }))
  fc.assert(
    fc.property(pixels, (interleaved) => {
      const planes = new Float32Array(interleaved.length)
      spreadToPlanes(interleaved, planes)
      interleaved.forEach((value, index) => {
        expect(planes[(index % 3) * (interleaved.length / 3) + Math.floor(index / 3)]).toBe(value)
      })
    }),
  )
})
