import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chainOf } from '../../test/support/made-record.ts'
import { BEFORE_FIRST, type ChainEntry, type ChainPlace, canonicalJson, checkLink } from './chain.ts'

const detail = fc.dictionary(fc.string(), fc.jsonValue())

function firstBreak(entries: readonly ChainEntry[]) {
  let at: ChainPlace = BEFORE_FIRST
  for (const entry of entries) {
    const wrong = checkLink(entry, at)
    if (wrong) return wrong
    at = entry
  }
  return undefined
}

describe('the chain', () => {
  it('is whole as it was written, also after a trip through the store', () => {
    fc.assert(
      fc.property(fc.array(detail), (details) => {
        const stored = chainOf(details).map((entry) => ({
          ...entry,
          detail: JSON.parse(canonicalJson(entry.detail)),
        }))
        expect(firstBreak(stored)).toBeUndefined()
      }),
    )
  })

  it('breaks at an entry that was changed and made to fit by itself: at the one after it', () => {
    fc.assert(
      fc.property(fc.array(detail, { minLength: 2, maxLength: 8 }), fc.nat(), (details, place) => {
        const at = place % (details.length - 1)
        const edited = chainOf(details)
        // Somebody who knows the method.
        edited[at] = chainOf(details, { [at]: 'somebody else' })[at]!
        expect(firstBreak(edited)).toMatchObject({ seq: at + 2 })
      }),
    )
  })
})

describe('the canonical text', () => {
  it('is that of RFC 8785, 3.2.2 and 3.2.3', () => {
    const literals = String.raw`{"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"literals":[null,true,false]}`
    expect(canonicalJson(JSON.parse(literals))).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    )
    const names = ['€', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', 'ö']
    const sorted = JSON.parse(canonicalJson(Object.fromEntries(names.map((name) => [name, 0]))))
    expect(new Set(Object.keys(sorted))).toEqual(new Set(names))
    const places = ['\r', '1', '\u0080', 'ö', '€', '\u{1f600}', '\ufb33'].map((name) =>
      canonicalJson(Object.fromEntries(names.map((one) => [one, 0]))).indexOf(JSON.stringify(name)),
    )
    expect(places).toEqual(places.toSorted((a, b) => a - b))
  })

  it('is the same for the same value whatever the order of its keys, and read it gives itself', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'ü' }], a: undefined })).toBe('{"b":[1,{"c":"ü","d":null}]}')
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value)
        expect(canonicalJson(JSON.parse(text))).toBe(text)
      }),
    )
  })
})
