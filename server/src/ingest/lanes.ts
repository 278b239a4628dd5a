/**
 * Work in lanes: one after another inside a lane, lanes beside each other. What waits is bounded in bytes over all
 * lanes, and each owner of lanes has a share of that; nothing is dropped here: whoever brings more is told to wait, and
 * stops reading from its socket. Whoever is inside its share waits for nobody who is not.
 */
interface Owner {
  bytes: number
  jobs: number
  /** Who brought more than there was room for. */
  room: PromiseWithResolvers<void> | undefined
}

export class Lanes {
  readonly #maxBytes: number
  readonly #tails = new Map<string, Promise<void>>()
  /** Those that have something waiting. */
  readonly #owners = new Map<string, Owner>()
  /** Those of them that were told to wait. */
  readonly #held = new Set<Owner>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes of everything that waits or is being worked on. */
  get waitingBytes(): number {
    return this.#bytes
  }

  /**
   * True if the owner has more waiting than its share, or if all have more than the bound. Its share is the bound divided
   * by the owners that have something waiting, with one place kept free for the next. One job it can always bring.
   */
  isFull(owner: string): boolean {
    const its = this.#owners.get(owner)
    return its !== undefined && this.#isOver(its, 1)
  }

  /** True if the owner, with these bytes more, would have more waiting than its share and than `allowed`. */
  isBeyondShare(owner: string, bytes: number, allowed: number): boolean {
    const its = this.#owners.get(owner)
    return its !== undefined && its.bytes + bytes > Math.max(this.#share, allowed)
  }

  /** Queues the job at once, in the order of the calls. `job` never rejects. Resolves when the job is done. */
  run(owner: string, lane: string, bytes: number, job: () => Promise<void>): Promise<void> {
    const its: Owner = this.#owners.get(owner) ?? { bytes: 0, jobs: 0, room: undefined }
    this.#owners.set(owner, its)
    its.bytes += bytes
    its.jobs++
    this.#bytes += bytes
    const before = this.#tails.get(lane) ?? Promise.resolve()
    const done = before.then(job).finally(() => {
      this.#bytes -= bytes
      its.bytes -= bytes
      if (--its.jobs === 0) this.#owners.delete(owner)
      if (this.#tails.get(lane) === done) this.#tails.delete(lane)
      this.#wake()
    })
    this.#tails.set(lane, done)
    return done
  }

  /** Resolves at once while there is room for the owner, else when half of it is free again. */
  async room(owner: string): Promise<void> {
    const its = this.#owners.get(owner)
    if (!its || !this.#isOver(its, 1)) return
    its.room ??= Promise.withResolvers<void>()
    this.#held.add(its)
    await its.room.promise
  }

  /** Resolves when everything that was queued is done. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values())
  }

  get #share(): number {
    return this.#maxBytes / (this.#owners.size + 1)
  }

  /** `part` of the bounds: half of them must be free before anybody goes on, or every job would wake every reader. */
  #isOver({ bytes, jobs }: Owner, part: number): boolean {
    return jobs > 1 && (bytes > this.#share * part || this.#bytes > this.#maxBytes * part)
  }

  /** Whoever was told to wait goes on once there is room: for its own jobs were done, or those of others. */
  #wake(): void {
    for (const its of this.#held) {
      if (this.#isOver(its, 0.5)) continue
      this.#held.delete(its)
      its.room?.resolve()
      its.room = undefined
    }
  }
}
