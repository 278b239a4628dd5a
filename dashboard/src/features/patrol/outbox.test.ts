import type { Dispatch, Evidence, NewStep } from '@patrolhub/protocol'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../../lib/api.ts'
import { MAX_ENTRIES, Outbox, OutboxFullError, type OutboxWire } from './outbox.ts'
import { memoryStore, type OutboxEntry, type OutboxStore } from './outbox-store.ts'

const gone = () => new ApiError(0, { code: 'UNREACHABLE', message: 'no network' })
const refused = () => new ApiError(409, { code: 'HUB_CONFLICT', message: 'it is closed already' })

/** A hub that can be out of reach, lose its answers, or refuse. */
function hub() {
  const state = {
    fault: undefined as (() => Error) | undefined,
    /** Takes the request and then fails: the answer is lost. */
    losesAnswer: false,
    taken: [] as string[],
    dispatch: { dispatchId: 'd', state: 'assigned', photos: [] } as unknown as Dispatch,
  }
  const respond = <T>(take: () => T): T => {
    if (state.fault && !state.losesAnswer) throw state.fault()
    const answer = take()
    if (state.losesAnswer) throw gone()
    return answer
  }
  const wire: OutboxWire = {
    step: async (_id, step) =>
      respond(() => {
        state.taken.push(step.state)
        state.dispatch = { ...state.dispatch, state: step.state }
        return state.dispatch
      }),
    photo: async (_id, photo) =>
      respond(() => {
        state.taken.push('photo')
        const evidence = { isStored: true, bytes: photo.size } as Evidence
        state.dispatch = { ...state.dispatch, photos: [...state.dispatch.photos, evidence] }
        return evidence
      }),
    dispatch: async () => {
      if (state.fault) throw state.fault()
      return state.dispatch
    },
  }
  return { state, wire }
}

const opened: Outbox[] = []
async function open(wire: OutboxWire, store: OutboxStore = memoryStore(), userId = 'me') {
  const outbox = new Outbox({ userId, store, wire, onSent: () => {} })
  opened.push(outbox)
  await outbox.start()
  return outbox
}
afterEach(() => {
  for (const outbox of opened.splice(0)) outbox.close()
})

const step = (state: NewStep['state']): NewStep => ({
  state,
  ...(state === 'closed' ? { note: 'done' } : {}),
})
const isEmpty = (outbox: Outbox) => vi.waitFor(() => expect(outbox.entries()).toEqual([]))

describe('the outbox of a patroller', () => {
  it('sends steps and photos in the order they were made', async () => {
    const { state, wire } = hub()
    const outbox = await open(wire)
    await outbox.addStep('d', step('acknowledged'), 1)
    await outbox.addPhoto('d', new Blob(['x']), 2)
    await outbox.addStep('d', step('closed'), 3)
    await isEmpty(outbox)
    expect(state.taken).toEqual(['acknowledged', 'photo', 'closed'])
  })

  it('keeps everything while the hub is out of reach and sends it when it is back', async () => {
    const { state, wire } = hub()
    state.fault = gone
    const outbox = await open(wire)
    await outbox.addStep('d', step('acknowledged'), 1)
    await outbox.addStep('d', step('en_route'), 2)
    expect(outbox.entries().map((entry) => entry.refusal)).toEqual(['', ''])
    state.fault = undefined
    outbox.poke()
    await isEmpty(outbox)
    expect(state.taken).toEqual(['acknowledged', 'en_route'])
  })

  it('does not do a thing twice whose answer was lost', async () => {
    const { state, wire } = hub()
    state.losesAnswer = true
    const outbox = await open(wire)
    await outbox.addPhoto('d', new Blob(['four']), 1)
    await vi.waitFor(() => expect(state.taken).toEqual(['photo']))
    await outbox.addStep('d', step('acknowledged'), 2)
    state.losesAnswer = false
    await vi.waitFor(() => {
      outbox.poke()
      expect(outbox.entries()).toEqual([])
    })
    expect(state.taken).toEqual(['photo', 'acknowledged'])
  })

  it('shows what the hub refuses, goes on with the rest, and forgets it when the person has seen it', async () => {
    const { state, wire } = hub()
    state.fault = refused
    const outbox = await open(wire)
    await outbox.addStep('d', step('acknowledged'), 1)
    await vi.waitFor(() => expect(outbox.entries()[0]?.refusal).toBe('it is closed already'))
    state.fault = undefined
    await outbox.addStep('d', step('en_route'), 2)
    await vi.waitFor(() => expect(state.taken).toEqual(['en_route']))
    await vi.waitFor(() => expect(outbox.entries()).toHaveLength(1))
    await outbox.discard(outbox.entries()[0]!.id)
    expect(outbox.entries()).toEqual([])
  })

  it('takes up after a restart what an earlier page left, and nothing of another person', async () => {
    const { state, wire } = hub()
    const left = (id: string, userId: string): OutboxEntry => ({
      id,
      userId,
      dispatchId: 'd',
      atMs: 1,
      refusal: '',
      kind: 'step',
      step: step('acknowledged'),
    })
    const store = memoryStore()
    await store.put(left('1', 'me'))
    await store.put(left('2', 'somebody else'))
    const outbox = await open(wire, store)
    await isEmpty(outbox)
    expect(state.taken).toEqual(['acknowledged'])
    expect((await store.all()).map((entry) => entry.userId)).toEqual(['somebody else'])
  })

  it('waits for a new sign-in when the session has ended', async () => {
    const { state, wire } = hub()
    state.fault = () => new ApiError(401, { code: 'HUB_NOT_SIGNED_IN', message: 'ended' })
    const outbox = await open(wire)
    await outbox.addStep('d', step('acknowledged'), 1)
    expect(outbox.entries()[0]?.refusal).toBe('')
  })

  it('refuses one more than it can hold, aloud', async () => {
    const { state, wire } = hub()
    state.fault = gone
    const outbox = await open(wire)
    for (let index = 0; index < MAX_ENTRIES; index++) await outbox.addStep('d', step('acknowledged'), index)
    await expect(outbox.addStep('d', step('acknowledged'), 99)).rejects.toBeInstanceOf(OutboxFullError)
    expect(outbox.entries()).toHaveLength(MAX_ENTRIES)
  })
})
