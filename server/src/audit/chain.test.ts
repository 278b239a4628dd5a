import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CHAIN_START, type ChainEntry, canonicalJson, entryHash, verifyChain } from './chain.ts'

const detail = fc.dictionary(fc.string(), fc.jsonValue())

function chainOf(details: readonly unknown[]): ChainEntry[] {
  let previousHash = CHAIN_START
  return details.map((value, index) => {
    const fields = {
      seq: index + 1,
      atMs: 1000 + index,
      actorId: index % 2 ? 'u1' : null,
      actorName: 'n',
      action: 'a',
      subject: 's',
      detail: value,
    }
    const entry = { ...fields, previousHash, hash: entryHash(fields, previousHash) }
    previousHash = entry.hash
    return entry
  })
}

describe('the chain', () => {
  it('is whole as it was written, also after a trip through the store', () => {
    fc.assert(
      fc.property(fc.array(detail), (details) => {
        const chain = chainOf(details)
        const stored = chain.map((entry) => ({ ...entry, detail: JSON.parse(canonicalJson(entry.detail)) }))
        expect(verifyChain(stored)).toMatchObject({ ok: true, entries: details.length })
      }),
    )
  })

  it('names the first entry that was changed, removed, moved or put in', () => {
    fc.assert(
      fc.property(
        fc.array(detail, { minLength: 3, maxLength: 8 }),
        fc.nat(),
        fc.constantFrom('change', 'rehash', 'remove', 'swap', 'insert'),
        (details, place, how) => {
          const chain = chainOf(details)
          const at = place % (chain.length - 1)
          const edited = [...chain]
          const entry = edited[at]!
          if (how === 'change') edited[at] = { ...entry, actorName: `${entry.actorName}x` }
          if (how === 'rehash') {
            // Somebody who knows the method and makes the entry fit by itself: the next one gives it away.
            const changed = { ...entry, subject: 'x' }
            edited[at] = { ...changed, hash: entryHash(changed, changed.previousHash) }
          }
          if (how === 'remove') edited.splice(at, 1)
          if (how === 'swap') edited.splice(at, 2, edited[at + 1]!, entry)
          if (how === 'insert') edited.splice(at, 0, entry)
          const check = verifyChain(edited)
          expect(check.ok).toBe(false)
          if (!check.ok) expect(check.seq).toBe(how === 'rehash' || how === 'insert' ? at + 2 : at + 1)
        },
      ),
    )
  })

  it('is the same text for the same value whatever the order of its keys', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'ü' }], a: undefined })).toBe('{"b":[1,{"c":"ü","d":null}]}')
  })
})
