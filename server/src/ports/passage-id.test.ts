import fc from 'fast-check'
import { expect, it } from 'vitest'
import { passageIdOf, passagePlaceOf } from './passage-id.ts'

it('a name gives its place back, and whatever else is sent names none or another, and never throws', () => {
  const place = fc.record({
    atMs: fc.maxSafeNat(),
    tieBreak: fc.maxSafeNat(),
    edgeId: fc.string(),
    deviceId: fc.string({ unit: 'grapheme' }),
  })
  fc.assert(
    fc.property(place, (given) => {
      expect(passagePlaceOf(passageIdOf(given))).toEqual(given)
    }),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json().map((text) => Buffer.from(text).toString('base64url')),
      ),
      (text) => {
        const found = passagePlaceOf(text)
        if (found) expect(passagePlaceOf(passageIdOf(found))).toEqual(found)
      },
    ),
  )
})
