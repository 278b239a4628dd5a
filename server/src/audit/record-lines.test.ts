/** Whatever is done to an export is found, and at its place. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  chainOf,
  linesOf,
  makeRecord,
  newSealKey,
  verifyBytes,
  verifyLines,
} from '../../test/support/made-record.ts'
import type { RecordItem } from './verify-record.ts'

const detail = fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 })
const keys = [newSealKey(), newSealKey(), newSealKey()]
const [first, second, third] = keys as [(typeof keys)[0], (typeof keys)[0], (typeof keys)[0]]

const record = fc
  .record({
    details: fc.array(detail, { minLength: 3, maxLength: 12 }),
    sealEvery: fc.integer({ min: 1, max: 4 }),
    keyCount: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ details, sealEvery, keyCount }) => {
    const used = keys.slice(0, keyCount)
    const made = makeRecord({ entries: chainOf(details), keys: used, sealEvery })
    return { ...made, newest: used.at(-1)!, lines: linesOf(made.items, used.at(-1)!) }
  })

/** Of a line by its place: the number of its entry or seal. */
function numberOf(items: readonly RecordItem[], place: number) {
  const item = items[place - 1]
  if (item?.kind === 'entry') return { seq: item.seq }
  if (item?.kind === 'seal') return { sealNo: item.sealNo }
  return {}
}

/** A line that cannot even be read is named by the entry that belongs there. */
function entryAt(items: readonly RecordItem[], place: number) {
  const item = items[place - 1]
  return item?.kind === 'entry' ? { seq: item.seq } : {}
}

describe('an export', () => {
  it('is whole as it was written, and says up to where it is sealed', () => {
    fc.assert(
      fc.property(record, ({ lines, items, seals }) => {
        const entries = items.filter(({ kind }) => kind === 'entry').length
        expect(verifyLines(lines)).toMatchObject({ ok: true, entries, seals: seals.length, lastSeq: entries })
        const result = verifyLines(lines, { keyId: first.keyId, seal: seals.at(-1) })
        if (seals.length === 0) expect(result).toMatchObject({ ok: false })
        else
          expect(result).toMatchObject({
            ok: true,
            proven: expect.arrayContaining([expect.stringContaining('named')]),
          })
      }),
    )
  })

  it('of which any one byte is another is broken in its line; of the head, at the first line that shows it', () => {
    fc.assert(
      fc.property(record, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ lines, items }, place, flip) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
        const at = place % bytes.length
        const line = bytes.subarray(0, at).toString('latin1').split('\n').length
        bytes[at] = bytes[at]! ^ flip
        const result = verifyBytes(bytes)
        expect(result.ok).toBe(false)
        if (result.ok || !('line' in result)) return
        if (line === 1) expect(result.line).toBeGreaterThanOrEqual(1)
        else expect(result).toMatchObject({ line, ...entryAt(items, line - 1) })
      }),
      { numRuns: 1000 },
    )
  })

  it('from which a line is gone, in which one stands twice, or two have changed places, is broken there', () => {
    fc.assert(
      fc.property(
        record,
        fc.nat(),
        fc.constantFrom('remove', 'repeat', 'swap'),
        ({ lines, items }, place, how) => {
          // Head and end have their own.
          const at = 1 + (place % items.length)
          const edited = [...lines]
          if (how === 'remove') edited.splice(at, 1)
          if (how === 'repeat') edited.splice(at, 0, lines[at]!)
          if (how === 'swap') edited.splice(at, 2, lines[at + 1]!, lines[at]!)
          const result = verifyLines(edited)
          expect(result.ok).toBe(false)
          if (result.ok || !('line' in result)) return
          const kind = items[at - 1]!.kind
          if (how === 'remove' && kind === 'entry')
            expect(result).toMatchObject({ line: at + 1, ...numberOf(items, at) })
          // What shows that a seal or a key is gone is the next of its kind, or the end.
          if (how === 'remove' && kind === 'seal') {
            const isLast = !items.slice(at).some((item) => item.kind === 'seal')
            if (isLast)
              expect(result).toMatchObject({ line: edited.length, reason: expect.stringContaining('seals') })
            else expect(result).toMatchObject(numberOf(items, at))
          }
          if (how === 'repeat') expect(result.line).toBe(at + 2)
          if (how === 'swap') expect([at + 1, at + 2]).toContain(result.line)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('whose lines say the same in other words is refused at that line', () => {
    const made = makeRecord({ entries: chainOf([{ a: 1 }, { a: 'x' }]), keys: [first], sealEvery: 2 })
    const lines = linesOf(made.items, first)
    const others: [number, (line: string) => string][] = [
      [2, (line) => line.replace(',', ', ')],
      [3, (line) => line.replace('"a":1', '"a":1.0')],
      [4, (line) => line.replace('"x"', '"\\u0078"')],
      [4, (line) => line.replace('"a":"x"', '"a":"y","a":"x"')],
    ]
    for (const [line, change] of others) {
      const edited = lines.map((text, index) => (index === line - 1 ? change(text) : text))
      expect(edited).not.toEqual(lines)
      expect(verifyLines(edited)).toMatchObject({
        ok: false,
        line,
        reason: expect.stringContaining('as the hub writes'),
      })
    }
  })

  it('whose head was changed into another that could be is broken at its end', () => {
    const made = makeRecord({ entries: chainOf([1, 2]), keys: [first], sealEvery: 2 })
    const lines = linesOf(made.items, first)
    const edited = [lines[0]!.replace('"toMs":null', '"toMs":1'), ...lines.slice(1)]
    expect(verifyLines(edited)).toMatchObject({
      ok: false,
      line: lines.length,
      reason: expect.stringContaining('bytes'),
    })
  })

  it('that is cut off at any byte says after which entry', () => {
    fc.assert(
      fc.property(record, fc.nat(), ({ lines, items }, place) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
        const cut = bytes.subarray(0, place % bytes.length)
        const whole = cut.toString('latin1').split('\n').length - 1
        const last = items.slice(0, Math.max(0, whole - 1)).findLast((item) => item.kind === 'entry')
        const result = verifyBytes(cut)
        expect(result).toMatchObject({ ok: false, line: whole + 1 })
        if (!result.ok && whole > 0) expect(result.seq).toBe((last?.kind === 'entry' ? last.seq : 0) + 1)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a record that somebody wrote anew', () => {
  const details = Array.from({ length: 12 }, (_, index) => ({ index }))
  const genuine = makeRecord({ entries: chainOf(details), keys: [first, second], sealEvery: 3 })
  const forged = chainOf(details, { 6: 'somebody else' })
  const own = newSealKey()

  it('and put together of two seals that are both genuine breaks where they meet', () => {
    const entries = chainOf(details)
    const [one, other] = [0, 1000].map((sealedAfterMs) =>
      makeRecord({ entries, keys: [first], sealEvery: 3, sealedAfterMs }),
    )
    const items = one!.items.map((item, place) => (place < 7 ? item : other!.items[place]!))
    expect(verifyLines(linesOf(items, first))).toMatchObject({
      ok: false,
      sealNo: 2,
      reason: expect.stringContaining('does not continue the seal before'),
    })
  })

  it('without the key breaks at the first seal after the change', () => {
    const items = genuine.items.map((item) =>
      item.kind === 'entry' ? { kind: 'entry' as const, ...forged[item.seq - 1]! } : item,
    )
    expect(verifyLines(linesOf(items, second))).toMatchObject({
      ok: false,
      sealNo: 3,
      seq: 9,
      reason: expect.stringContaining('was another one when it was sealed'),
    })
  })

  it('with another key is found by the key, and by a seal that was kept elsewhere', () => {
    const anew = makeRecord({ entries: forged, keys: [own], sealEvery: 3 })
    const lines = linesOf(anew.items, own)
    expect(verifyLines(lines)).toMatchObject({
      ok: true,
      notProven: expect.arrayContaining([expect.stringContaining("that the key is the hub's")]),
    })
    expect(verifyLines(lines, { keyId: first.keyId })).toMatchObject({ ok: false })
    expect(verifyLines(lines, { seal: genuine.seals[2] })).toMatchObject({ ok: false, sealNo: 3, seq: 9 })
  })

  it('with a key that claims to follow the hub’s breaks at that key', () => {
    const keyItems = genuine.items.slice(0, 1)
    const claimed = makeRecord({ entries: forged, keys: [first, own], sealEvery: 3, begins: [1] })
    const line = claimed.items[1] as Extract<RecordItem, { kind: 'key' }>
    const items = [...keyItems, { ...line, signedBy: first.keyId }, ...claimed.items.slice(2)]
    expect(verifyLines(linesOf(items, own))).toMatchObject({
      ok: false,
      line: 3,
      reason: expect.stringContaining('key 2'),
    })
  })

  it('whose end was cut off, with a genuine end of that time, is found by a seal that was kept elsewhere', () => {
    const earlier = makeRecord({ entries: chainOf(details.slice(0, 7)), keys: [first], sealEvery: 3 })
    const lines = linesOf(earlier.items, first)
    expect(verifyLines(lines, { keyId: first.keyId })).toMatchObject({ ok: true, lastSeq: 7 })
    const later = makeRecord({ entries: chainOf(details), keys: [first], sealEvery: 3 })
    expect(verifyLines(lines, { seal: later.seals[3] })).toMatchObject({
      ok: false,
      seq: 8,
      sealNo: 4,
      reason: expect.stringContaining('entries 8 to 12 at least are missing'),
    })
  })
})

describe('keys', () => {
  const entries = chainOf(Array.from({ length: 12 }, (_, index) => index))

  it('that follow each other are trusted from the one that is named', () => {
    const made = makeRecord({ entries, keys: [first, second, third], sealEvery: 2 })
    const lines = linesOf(made.items, third)
    for (const { keyId } of [first, second, third]) {
      expect(verifyLines(lines, { keyId })).toMatchObject({
        ok: true,
        proven: expect.arrayContaining([
          expect.stringContaining('entries up to 12 are sealed by the key that you named'),
        ]),
      })
    }
  })

  it('of which one begins anew are trusted up to it, and every check says so', () => {
    const made = makeRecord({ entries, keys: [first, second, third], sealEvery: 2, begins: [1] })
    const lines = linesOf(made.items, third)
    expect(verifyLines(lines)).toMatchObject({
      ok: true,
      notProven: expect.arrayContaining([expect.stringContaining('key 2, from seal 3 on, begins anew')]),
    })
    expect(verifyLines(lines, { keyId: first.keyId })).toMatchObject({
      ok: true,
      proven: expect.arrayContaining([expect.stringContaining('entries up to 4 are sealed by the key')]),
      notProven: expect.arrayContaining([expect.stringContaining('seals after 2')]),
    })
    expect(verifyLines(lines, { keyId: third.keyId })).toMatchObject({
      ok: true,
      proven: expect.arrayContaining([expect.stringContaining('entries up to 12 are sealed by the key')]),
    })
  })

  it('are each good for their own seals only', () => {
    const made = makeRecord({ entries, keys: [first, second], sealEvery: 2 })
    const byOld = makeRecord({ entries, keys: [first], sealEvery: 2 })
    const items = [...made.items.slice(0, 2), ...byOld.items.slice(1)]
    expect(verifyLines(linesOf(items, second))).toMatchObject({
      ok: false,
      sealNo: 4,
      reason: expect.stringContaining('does not make the seals of this time'),
    })
  })
})
