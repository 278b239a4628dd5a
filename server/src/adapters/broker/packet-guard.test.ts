import fc from 'fast-check'
import { generate } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { PacketGuard } from './packet-guard.ts'

const publish = (bytes: number) =>
  generate({
    cmd: 'publish',
    topic: 't',
    payload: Buffer.alloc(bytes),
    qos: 0,
    dup: false,
    retain: false,
  })

/** Feeds the bytes in pieces of these sizes, over and over. */
function feed(guard: PacketGuard, bytes: Uint8Array, sizes: readonly number[]): string | undefined {
  let at = 0
  for (let index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length]!
    const problem = guard.check(bytes.subarray(at, at + size))
    if (problem) return problem
    at += size
  }
  return undefined
}

describe('the packet guard', () => {
  it('lets packets up to the limit pass, however they are cut up', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 8 }),
        (payloads, sizes) => {
          const bytes = Buffer.concat(payloads.map(publish))
          expect(feed(new PacketGuard(20_003), bytes, sizes)).toBeUndefined()
        },
      ),
    )
  })

  it('objects at the header of a packet over the limit, wherever it stands', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 4 }),
        fc.integer({ min: 1001, max: 300_000 }),
        fc.integer({ min: 1, max: 700 }),
        (before, size, piece) => {
          // Only the header of the large packet: the guard must not need its body.
          const bytes = Buffer.concat([...before.map(publish), publish(size).subarray(0, 5)])
          expect(feed(new PacketGuard(1000), bytes, [piece])).toMatch(/at most 1000/)
        },
      ),
    )
  })

  it('objects to a length that does not end', () => {
    expect(new PacketGuard(2 ** 30).check(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01))).toMatch(
      /four bytes/,
    )
  })
})
