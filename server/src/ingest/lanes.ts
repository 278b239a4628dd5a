/**
 * Work in lanes: one after another inside a lane, lanes beside each other. What waits is bounded in bytes over all
 * lanes; nothing is dropped: whoever brings more is told to wait, and stops reading from its socket.
 */
export class Lanes {
  readonly #maxBytes: number
  readonly #tails = new Map<string, Promise<void>>()
  #bytes = 0
  #room: PromiseWithResolvers<void> | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes of everything that waits or is being worked on. */
  get waitingBytes(): number {
    return this.#bytes
  }

  get isFull(): boolean {
    return this.#bytes > this.#maxBytes
  }

  /** Queues the job at once, in the order of the calls. `job` never rejects. Resolves when the job is done. */
  run(lane: string, bytes: number, job: () => Promise<void>): Promise<void> {
    this.#bytes += bytes
    const before = this.#tails.get(lane) ?? Promise.resolve()
    const done = before.then(job).finally(() => {
      this.#bytes -= bytes
      if (this.#tails.get(lane) === done) this.#tails.delete(lane)
      // Half empty before anybody goes on: otherwise every job would wake every reader.
      if (this.#bytes <= this.#maxBytes / 2) this.#room?.resolve()
    })
    this.#tails.set(lane, done)
    return done
  }

  /** Resolves at once while there is room, else when half of it is free again. */
  async room(): Promise<void> {
    if (!this.isFull) return
    this.#room ??= Promise.withResolvers<void>()
    const room = this.#room
    await room.promise
    if (this.#room === room) this.#room = undefined
  }

  /** Resolves when everything that was queued is done. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values())
  }
}
