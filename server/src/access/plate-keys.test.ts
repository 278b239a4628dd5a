import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PlateKeyRing, readPlateKeys } from './plate-keys.ts'

const A = 'a1'.repeat(32)
const B = 'b2'.repeat(32)

describe('the ring of plate keys', () => {
  it('opens what any of its versions sealed, and seals with the greatest', () => {
    const old = new PlateKeyRing(A)
    const both = new PlateKeyRing(`1:${A},\n2:${B.toUpperCase()}\n`)
    expect([old.current, both.current, both.versions]).toEqual([1, 2, [1, 2]])
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), (plate) => {
        fc.pre(plate.isWellFormed())
        expect(both.open(old.seal(plate))).toEqual({ ok: true, plate, version: 1 })
        expect(both.open(both.seal(plate))).toEqual({ ok: true, plate, version: 2 })
        expect(old.open(both.seal(plate))).toEqual({ ok: false, why: 'no-key', version: 2 })
        expect(both.seal(plate)).not.toBe(both.seal(plate))
      }),
      { numRuns: 30 },
    )
  })

  it('says of whatever is changed in a ciphertext that it is broken', () => {
    const ring = new PlateKeyRing(A)
    const cipher = Buffer.from(ring.seal('豫E12345'))
    fc.assert(
      fc.property(fc.nat(cipher.length - 3), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = Buffer.from(cipher)
        changed[at + 2] = (changed[at + 2]! + by) % 256
        const opened = ring.open(changed.toString('latin1'))
        // Base64 has spare bits and takes other alphabets: what means the same bytes is the same text.
        if (opened.ok) expect(opened.plate).toBe('豫E12345')
        else expect(opened).toEqual({ ok: false, why: 'broken', version: 1 })
      }),
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(ring.open(text).ok).toBe(false)
      }),
    )
  })

  it('names each line that does not fit, and no key', () => {
    const { problems } = readPlateKeys(`1:${A}\n1:${B}\n2:${A}\n0:${'c3'.repeat(32)}\n3:short`)
    expect(problems).toEqual([
      'key 2: there is a version 1 already',
      'key 3: version 2 has the key of version 1',
      'key 4: versions begin at 1',
      'key 5: expected `version:` and 64 hexadecimal digits (openssl rand -hex 32)',
    ])
    expect(readPlateKeys(' \n').problems).toEqual(['holds no key'])
    expect(problems.join()).not.toContain(A.slice(0, 8))
  })
})
