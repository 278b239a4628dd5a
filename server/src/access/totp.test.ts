import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Sealing } from './sealing.ts'
import { base32, hotp, keyUri, matchingStep, stepAt } from './totp.ts'

const SECRET = Buffer.from('12345678901234567890')

describe('one-time passwords', () => {
  it('are those of RFC 4226, appendix D', () => {
    const expected = '755224 287082 359152 969429 338314 254676 287922 162583 399871 520489'.split(' ')
    expect(expected.map((_code, counter) => hotp(SECRET, counter))).toEqual(expected)
  })

  it('are those of RFC 6238, appendix B (SHA-1, eight digits)', () => {
    const vectors: [seconds: number, code: string][] = [
      [59, '94287082'],
      [1_111_111_109, '07081804'],
      [1_111_111_111, '14050471'],
      [1_234_567_890, '89005924'],
      [2_000_000_000, '69279037'],
      [20_000_000_000, '65353130'],
    ]
    for (const [seconds, code] of vectors) expect(hotp(SECRET, stepAt(seconds * 1000), 8)).toBe(code)
  })

  it('are taken one step around now, and never a step that was taken', () => {
    const step = 1000
    const at = (code: string, lastStep = 0) => matchingStep(SECRET, code, { atMs: step * 30_000, lastStep })
    for (const offset of [-1, 0, 1]) expect(at(hotp(SECRET, step + offset))).toBe(step + offset)
    for (const offset of [-2, 2]) expect(at(hotp(SECRET, step + offset))).toBeUndefined()
    expect(at(hotp(SECRET, step), step)).toBeUndefined()
    expect(at(hotp(SECRET, step - 1), step), 'an older one neither').toBeUndefined()
    for (const wrong of ['', '12345', '1234567', 'abcdef', '１２３４５６']) expect(at(wrong)).toBeUndefined()
  })

  it('reach the authenticator as base32 of RFC 4648', () => {
    const vectors = { f: 'MY', fo: 'MZXQ', foo: 'MZXW6', foob: 'MZXW6YQ', fooba: 'MZXW6YTB' }
    for (const [text, code] of Object.entries(vectors)) expect(base32(Buffer.from(text))).toBe(code)
    const uri = new URL(keyUri(SECRET, 'li.na'))
    expect([uri.protocol, uri.searchParams.get('secret')]).toEqual([
      'otpauth:',
      'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
    ])
  })
})

describe('a sealed secret', () => {
  const key = (fill: number) => Buffer.alloc(32, fill).toString('base64')

  it('opens with its key for its owner, and for nobody else', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (text, owner, other) => {
        const sealed = new Sealing(key(1)).seal(text, owner)
        expect(new Sealing(key(1)).open(sealed, owner)).toBe(text)
        expect(() => new Sealing(key(2)).open(sealed, owner)).toThrow('another one')
        if (other !== owner) expect(() => new Sealing(key(1)).open(sealed, other)).toThrow()
      }),
    )
  })

  it('does not open when a byte was changed', () => {
    const sealing = new Sealing(key(1))
    const bytes = Buffer.from(sealing.seal('secret', 'u1'), 'base64')
    for (const place of bytes.keys()) {
      const changed = Buffer.from(bytes)
      changed[place]! ^= 1
      expect(() => sealing.open(changed.toString('base64'), 'u1')).toThrow()
    }
    expect(() => new Sealing('c2hvcnQ=')).toThrow('too short')
  })
})
