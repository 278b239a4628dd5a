/**
 * Steps and photos on their way to the hub. What a patroller does counts at once on the phone and is sent in order, as
 * often as it takes, over a network that comes and goes. Enters: steps and photos. Leaves: requests, at most one at a
 * time, and a list of what is not sent yet. A step whose answer was lost is not an error: the hub is asked whether it
 * has it. Bounded: at most `MAX_ENTRIES` wait; one more is refused to the person, never dropped in silence.
 */
import type { Dispatch, Evidence, NewStep } from '@patrolhub/protocol'
import { ApiError, api } from '../../lib/api.ts'
import { hasReached } from '../../lib/dispatch-progress.ts'
import type { OutboxEntry, OutboxStore } from './outbox-store.ts'

export const MAX_ENTRIES = 60
const RETRY_MIN_MS = 2_000
const RETRY_MAX_MS = 30_000

/** The requests that an outbox makes. */
export interface OutboxWire {
  step(dispatchId: string, step: NewStep): Promise<Dispatch>
  photo(dispatchId: string, photo: Blob): Promise<Evidence>
  dispatch(dispatchId: string): Promise<Dispatch>
}

const at = (dispatchId: string) => `/api/dispatches/${encodeURIComponent(dispatchId)}`

export const hubWire: OutboxWire = {
  step: (dispatchId, step) => api.post<Dispatch>(`${at(dispatchId)}/steps`, step),
  photo: (dispatchId, photo) => api.post<Evidence>(`${at(dispatchId)}/photos`, photo),
  dispatch: (dispatchId) => api.get<Dispatch>(at(dispatchId)),
}

interface OutboxOptions {
  userId: string
  store: OutboxStore
  wire: OutboxWire
  /** Told whenever the hub has taken something. */
  onSent: (dispatchId: string) => void
}

export class OutboxFullError extends Error {
  constructor() {
    super(`${MAX_ENTRIES} steps and photos wait already`)
    this.name = 'OutboxFullError'
  }
}

export class Outbox {
  readonly #options: OutboxOptions
  #entries: readonly OutboxEntry[] = []
  readonly #listeners = new Set<() => void>()
  #isSending = false
  #isClosed = false
  /** Somebody asked for another try while one was under way: its failure says nothing about now. */
  #isPoked = false
  #retry: ReturnType<typeof setTimeout> | undefined
  #retryMs = RETRY_MIN_MS
  #counter = 0
  /** Entries that were sent once without an answer: the hub may have them. */
  readonly #uncertain = new Set<string>()

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const kept = await this.#options.store.all()
    const own = kept.filter((entry) => entry.userId === this.#options.userId)
    for (const entry of own) this.#uncertain.add(entry.id)
    this.#set([...own.toSorted((a, b) => (a.id < b.id ? -1 : 1)), ...this.#entries])
    this.poke()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retry)
    this.#retry = undefined
  }

  /** The same list until something changes. */
  readonly entries = (): readonly OutboxEntry[] => this.#entries
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async addStep(dispatchId: string, step: NewStep, nowMs: number): Promise<void> {
    await this.#add({ ...this.#base(dispatchId, nowMs), kind: 'step', step })
  }

  async addPhoto(dispatchId: string, photo: Blob, nowMs: number): Promise<void> {
    await this.#add({ ...this.#base(dispatchId, nowMs), kind: 'photo', photo })
  }

  /** Takes away an entry that the hub refused, once the person has seen it. */
  async discard(id: string): Promise<void> {
    await this.#remove(id)
  }

  /** Tries now: the network is back, or the person asks for it. */
  poke(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#isPoked = true
    void this.#sendAll()
  }

  #base(dispatchId: string, nowMs: number) {
    this.#counter += 1
    const id = `${String(nowMs).padStart(15, '0')}-${String(this.#counter).padStart(6, '0')}`
    return { id, userId: this.#options.userId, dispatchId, atMs: nowMs, refusal: '' }
  }

  async #add(entry: OutboxEntry): Promise<void> {
    if (this.#entries.length >= MAX_ENTRIES) throw new OutboxFullError()
    await this.#options.store.put(entry)
    this.#set([...this.#entries, entry])
    this.poke()
  }

  async #remove(id: string): Promise<void> {
    this.#uncertain.delete(id)
    await this.#options.store.remove(id)
    this.#set(this.#entries.filter((entry) => entry.id !== id))
  }

  #set(entries: readonly OutboxEntry[]): void {
    this.#entries = entries
    for (const listener of this.#listeners) listener()
  }

  async #sendAll(): Promise<void> {
    if (this.#isSending || this.#isClosed) return
    this.#isSending = true
    try {
      for (;;) {
        const entry = this.#entries.find((item) => item.refusal === '')
        if (!entry || this.#isClosed) return
        this.#isPoked = false
        if ((await this.#sendOne(entry)) || this.#isPoked) continue
        this.#later()
        return
      }
    } finally {
      this.#isSending = false
    }
  }

  /** False if it has to be tried again later. */
  async #sendOne(entry: OutboxEntry): Promise<boolean> {
    const { wire, onSent } = this.#options
    try {
      if (!(this.#uncertain.has(entry.id) && (await this.#hubHas(entry)))) {
        this.#uncertain.add(entry.id)
        if (entry.kind === 'step') await wire.step(entry.dispatchId, entry.step)
        else await wire.photo(entry.dispatchId, entry.photo)
      }
    } catch (error) {
      // Signed out: it waits for the same person to sign in again.
      const waits = !(error instanceof ApiError) || error.isTemporary || error.status === 401
      if (waits) return false
      const refused = { ...entry, refusal: error.message }
      await this.#options.store.put(refused)
      this.#set(this.#entries.map((item) => (item.id === entry.id ? refused : item)))
      return true
    }
    this.#retryMs = RETRY_MIN_MS
    await this.#remove(entry.id)
    onSent(entry.dispatchId)
    return true
  }

  async #hubHas(entry: OutboxEntry): Promise<boolean> {
    const dispatch = await this.#options.wire.dispatch(entry.dispatchId)
    if (entry.kind === 'step') return hasReached(dispatch.state, entry.step.state)
    // The same picture has the same length; another of exactly that length on one dispatch does not happen.
    return dispatch.photos.some((photo) => photo.isStored && photo.bytes === entry.photo.size)
  }

  #later(): void {
    if (this.#isClosed) return
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      void this.#sendAll()
    }, this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
  }
}
