import type { Cursor } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StreamSender } from './stream-sender.ts'

const TIMING = {
  maxInFlight: 2,
  lingerMs: 200,
  fullBatchRecords: 3,
  answerMs: 1000,
  maxAnswerMs: 4000,
  minHelloMs: 100,
}
const EPOCH = 'e'
const cursor = (reason: Cursor['reason'], upTo: number, epoch = EPOCH): Cursor => ({
  stream: 'alerts',
  epoch,
  upTo,
  reason,
})
const bounds = (firstSeq: number, lastSeq: number) => ({ firstSeq, lastSeq })

function streaming(upTo = 0): StreamSender {
  const sender = new StreamSender(TIMING)
  sender.connected()
  sender.helloSent(0)
  sender.answered(cursor('hello', upTo), EPOCH, bounds(1, 100))
  return sender
}

describe('the sender of one stream', () => {
  it('sends nothing before the hub has answered a hello, then goes on from its cursor', () => {
    const sender = new StreamSender(TIMING)
    expect(sender.next(0, bounds(1, 9))).toEqual({ kind: 'wait', untilMs: Number.POSITIVE_INFINITY })
    sender.connected()
    expect(sender.next(0, bounds(1, 9))).toEqual({ kind: 'hello' })
    sender.helloSent(0)
    expect(sender.next(10, bounds(1, 9))).toEqual({ kind: 'wait', untilMs: 1000 })
    expect(sender.answered(cursor('hello', 4), EPOCH, bounds(1, 9))).toBe(4)
    expect(sender.next(10, bounds(5, 9))).toEqual({ kind: 'send', fromSeq: 5 })
  })

  it('lets a batch that is not full linger, and a full one go at once', () => {
    const sender = streaming()
    expect(sender.next(1000, bounds(1, 2))).toEqual({ kind: 'wait', untilMs: 1200 })
    expect(sender.next(1200, bounds(1, 2))).toEqual({ kind: 'send', fromSeq: 1 })
    sender.sent(1, 2, 1200)
    expect(sender.next(1201, bounds(1, 5))).toEqual({ kind: 'send', fromSeq: 3 })
  })

  it('keeps no more batches in flight than allowed', () => {
    const sender = streaming()
    sender.sent(1, 3, 0)
    sender.sent(4, 6, 0)
    expect(sender.next(1, bounds(1, 50)).kind).toBe('wait')
    expect(sender.answered(cursor('committed', 3), EPOCH, bounds(1, 50))).toBe(3)
    expect(sender.next(1, bounds(4, 50))).toEqual({ kind: 'send', fromSeq: 7 })
  })

  it('takes a batch that is answered twice once', () => {
    const sender = streaming()
    sender.sent(1, 3, 0)
    expect(sender.answered(cursor('committed', 3), EPOCH, bounds(1, 3))).toBe(3)
    expect(sender.answered(cursor('committed', 3), EPOCH, bounds(4, 3))).toBeUndefined()
    expect(sender.next(1, bounds(4, 3))).toEqual({ kind: 'wait', untilMs: Number.POSITIVE_INFINITY })
  })

  it('asks when an answer does not come, ever more slowly, and sends again from the cursor', () => {
    const sender = streaming()
    sender.sent(1, 3, 0)
    expect(sender.next(999, bounds(1, 3)).kind).toBe('wait')
    expect(sender.next(1000, bounds(1, 3))).toEqual({ kind: 'hello' })
    sender.helloSent(1000)
    expect(sender.next(1001, bounds(1, 3))).toEqual({ kind: 'wait', untilMs: 3000 })
    expect(sender.next(3000, bounds(1, 3))).toEqual({ kind: 'hello' })
    sender.helloSent(3000)
    expect(sender.next(3001, bounds(1, 3))).toEqual({ kind: 'wait', untilMs: 7000 })
    expect(sender.unansweredHellos).toBe(2)
    sender.answered(cursor('hello', 0), EPOCH, bounds(1, 3))
    expect(sender.unansweredHellos).toBe(0)
    expect(sender.next(3002, bounds(1, 3))).toEqual({ kind: 'send', fromSeq: 1 })
  })

  it('starts over once after a gap, not once for every batch behind it', () => {
    const sender = streaming()
    sender.sent(1, 3, 0)
    sender.sent(4, 6, 0)
    sender.answered(cursor('gap', 0), EPOCH, bounds(1, 9))
    expect(sender.next(500, bounds(1, 9))).toEqual({ kind: 'hello' })
    sender.helloSent(500)
    sender.answered(cursor('gap', 0), EPOCH, bounds(1, 9))
    expect(sender.next(501, bounds(1, 9)).kind).toBe('wait')
    sender.answered(cursor('hello', 0), EPOCH, bounds(1, 9))
    expect(sender.next(502, bounds(1, 9))).toEqual({ kind: 'send', fromSeq: 1 })
  })

  it('says hello, with a pause, to a hub that does not know the epoch', () => {
    const sender = streaming()
    sender.sent(1, 3, 10)
    sender.answered(cursor('epoch', 0, 'other'), EPOCH, bounds(1, 9))
    expect(sender.next(20, bounds(1, 9))).toEqual({ kind: 'wait', untilMs: 100 })
    expect(sender.next(100, bounds(1, 9))).toEqual({ kind: 'hello' })
  })

  it('ignores cursors of another epoch', () => {
    const sender = streaming()
    sender.sent(1, 3, 0)
    expect(sender.answered(cursor('committed', 3, 'other'), EPOCH, bounds(1, 9))).toBeUndefined()
  })

  it('believes a cursor that went back only when a second hello confirms it', () => {
    const sender = streaming(50)
    sender.disconnected()
    sender.connected()
    sender.helloSent(0)
    sender.answered(cursor('hello', 20), EPOCH, bounds(51, 100))
    expect(sender.next(200, bounds(51, 100))).toEqual({ kind: 'hello' })
    sender.helloSent(200)
    sender.answered(cursor('hello', 20), EPOCH, bounds(51, 100))
    expect(sender.next(201, bounds(51, 100))).toEqual({ kind: 'send', fromSeq: 21 })
  })

  it('asks for a new epoch when the hub knows numbers that were never given', () => {
    const sender = new StreamSender(TIMING)
    sender.connected()
    sender.helloSent(0)
    expect(sender.answered(cursor('hello', 12), EPOCH, bounds(1, 9))).toBeUndefined()
    expect(sender.next(1, bounds(1, 9))).toEqual({ kind: 'renew-epoch' })
  })
})

/** A hub, a journal and a line between them that loses, repeats and breaks, moved by arbitrary events. */
class World {
  readonly sender = new StreamSender(TIMING)
  nowMs = 0
  last = 0
  first = 1
  /** Durable at the hub. */
  hubCursor = 0
  readonly stored: number[] = []
  up: ({ kind: 'hello' } | { kind: 'batch'; firstSeq: number; lastSeq: number })[] = []
  down: Cursor[] = []
  /** A hub that has restarted knows an epoch from its store, but not before the first hello of all. */
  knowsEpoch = false
  isUp = false

  bounds() {
    return bounds(this.first, this.last)
  }

  connect(): void {
    if (this.isUp) return
    this.isUp = true
    this.sender.connected()
  }

  disconnect(): void {
    this.isUp = false
    this.up = []
    this.down = []
    this.sender.disconnected()
  }

  /** Lets the sender do everything it wants to do now. */
  settle(): void {
    for (let guard = 0; guard < 50; guard++) {
      const step = this.sender.next(this.nowMs, this.bounds())
      if (step.kind === 'wait') return
      if (step.kind === 'renew-epoch') throw new Error('the hub never ran ahead')
      if (step.kind === 'hello') {
        this.up.push({ kind: 'hello' })
        this.sender.helloSent(this.nowMs)
      } else {
        expect(step.fromSeq, 'what was truncated is not asked for').toBeGreaterThanOrEqual(this.first)
        const lastSeq = Math.min(this.last, step.fromSeq + 4)
        this.up.push({ kind: 'batch', firstSeq: step.fromSeq, lastSeq })
        this.sender.sent(step.fromSeq, lastSeq, this.nowMs)
      }
    }
    throw new Error('the sender never waits')
  }

  hubTakes(answers: number, isRepeated: boolean): void {
    const message = isRepeated ? this.up[0] : this.up.shift()
    if (!message) return
    const answer = this.#commit(message)
    for (let copy = 0; copy < answers; copy++) this.down.push(answer)
  }

  #commit(message: (typeof this.up)[number]): Cursor {
    if (message.kind === 'hello') {
      this.knowsEpoch = true
      return cursor('hello', this.hubCursor)
    }
    if (!this.knowsEpoch) return cursor('epoch', 0)
    if (message.firstSeq > this.hubCursor + 1) return cursor('gap', this.hubCursor)
    for (let seq = this.hubCursor + 1; seq <= message.lastSeq; seq++) this.stored.push(seq)
    this.hubCursor = Math.max(this.hubCursor, message.lastSeq)
    return cursor('committed', this.hubCursor)
  }

  edgeTakes(): void {
    const answer = this.down.shift()
    if (!answer) return
    const upTo = this.sender.answered(answer, EPOCH, this.bounds())
    if (upTo === undefined) return
    expect(upTo, 'only what is committed is truncated').toBeLessThanOrEqual(this.hubCursor)
    this.first = Math.max(this.first, upTo + 1)
  }
}

const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('append' as const), n: fc.integer({ min: 1, max: 12 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('pass' as const), n: fc.integer({ min: 1, max: 1500 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('hub' as const), n: fc.constantFrom(1, 1, 1, 1, 0, 2) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hub-repeat' as const), n: fc.constant(1) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('edge' as const), n: fc.constant(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), n: fc.constant(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break' as const), n: fc.constant(1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const), n: fc.constant(1) }) },
)

describe('the sender against a hub over a bad line', () => {
  it('brings every record once, in order, and truncates only what is committed', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120, size: 'max' }), (events) => {
        const world = new World()
        for (const { do: what, n } of events) {
          if (what === 'append') world.last += n
          else if (what === 'pass') world.nowMs += n
          else if (what === 'hub') world.hubTakes(n, false)
          else if (what === 'hub-repeat') world.hubTakes(n, true)
          else if (what === 'edge') world.edgeTakes()
          else if (what === 'lose') world.up.shift()
          else if (what === 'break') world.disconnect()
          else world.connect()
          world.settle()
        }
        // The line gets well: everything arrives.
        world.connect()
        for (let round = 0; round < 400 && world.hubCursor < world.last; round++) {
          world.settle()
          while (world.up.length > 0) world.hubTakes(1, false)
          while (world.down.length > 0) world.edgeTakes()
          world.nowMs += 500
        }
        expect(world.stored).toEqual(Array.from({ length: world.last }, (_, index) => index + 1))
      }),
      { numRuns: 500 },
    )
  })
})
