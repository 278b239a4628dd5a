/**
 * Brings announced evidence to the hub, one at a time, pictures before clips, else oldest first, and forgets it only when the hub has it. Every
 * failure is tried again with growing pauses; while the hub is away nothing else is tried.
 */
import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { Backoff } from '../backoff.ts'
import type { HubAccess } from '../hub-http.ts'
import type { EvidenceFolder, EvidenceNote } from './evidence-folder.ts'
import { uploadEvidence } from './upload.ts'

interface Item {
  note: EvidenceNote
  backoff: Backoff
  /** Monotonic clock: not before. */
  dueMs: number
  /** Bytes that the hub had when the last try began. */
  offset: number
}

export interface UploaderOptions {
  hub: HubAccess
  folder: EvidenceFolder
  log: Logger
  retryMinMs: number
  retryMaxMs: number
}

export class Uploader {
  readonly #options: UploaderOptions
  readonly #items: Item[] = []
  readonly #hubBackoff: Backoff
  readonly #stopping = new AbortController()
  #wake: (() => void) | undefined
  #loop: Promise<void> | undefined
  #isHubDown = false
  uploaded = 0
  refused = 0

  constructor(options: UploaderOptions) {
    this.#options = options
    this.#hubBackoff = this.#newBackoff()
  }

  get pending(): number {
    return this.#items.length
  }

  start(): void {
    this.#loop ??= this.#run()
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    this.#wake?.()
    await this.#loop
  }

  add(note: EvidenceNote): void {
    this.#items.push({ note, backoff: this.#newBackoff(), dueMs: 0, offset: 0 })
    this.#wake?.()
  }

  #newBackoff(): Backoff {
    return new Backoff({ minMs: this.#options.retryMinMs, maxMs: this.#options.retryMaxMs })
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const item = await this.#nextDue()
      if (!item) continue
      try {
        await this.#bring(item)
      } catch (err) {
        this.#options.log.error(
          { err, evidenceId: item.note.record.evidenceId },
          'evidence could not be handled',
        )
        item.dueMs = performance.now() + item.backoff.nextMs()
      }
    }
  }

  /** The first item whose time has come; waits for one, and may come back with none. */
  async #nextDue(): Promise<Item | undefined> {
    const nowMs = performance.now()
    const due = this.#items.filter((item) => item.dueMs <= nowMs)
    // A picture says what is going on; a clip, a hundred times as large, says it again and must not keep it waiting.
    const first = due.find(({ note }) => note.record.mime === 'image/jpeg') ?? due[0]
    if (first) return first
    const earliestMs = Math.min(...this.#items.map((item) => item.dueMs), Number.POSITIVE_INFINITY)
    await new Promise<void>((resolve) => {
      const timer = Number.isFinite(earliestMs) ? setTimeout(resolve, earliestMs - nowMs + 1) : undefined
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
      if (this.#stopping.signal.aborted) this.#wake()
    })
    this.#wake = undefined
    return undefined
  }

  async #bring(item: Item): Promise<void> {
    const { folder, log, hub } = this.#options
    const { note } = item
    const bytes = await folder.readContent(note.record.sha256)
    if (!bytes) {
      await this.#giveUp(item, 'the file is gone from the disk')
      return
    }
    if (createHash('sha256').update(bytes).digest('hex') !== note.record.sha256) {
      await this.#giveUp(item, 'the file on disk is damaged')
      return
    }
    const result = await uploadEvidence(hub, note.record, bytes, this.#stopping.signal)
    if (result.outcome === 'stored') {
      await folder.remove(note.record)
      this.#forget(item)
      this.uploaded += 1
      if (this.#isHubDown) log.info('evidence reaches the hub again')
      this.#isHubDown = false
      this.#hubBackoff.reset()
    } else if (result.outcome === 'refused') {
      await this.#giveUp(item, result.why)
    } else if (!this.#stopping.signal.aborted) {
      // A line that breaks but brings something each time is used as often as it comes back.
      if (result.offset > item.offset) this.#hubBackoff.reset()
      item.offset = result.offset
      this.#postpone(item, result.why, result.isHubDown)
    }
  }

  #postpone(item: Item, why: string, isHubDown: boolean): void {
    const { log } = this.#options
    if (!isHubDown) {
      log.debug({ why, evidenceId: item.note.record.evidenceId }, 'evidence will be sent again')
      item.dueMs = performance.now() + item.backoff.nextMs()
      return
    }
    if (!this.#isHubDown) log.warn({ why, pending: this.pending }, 'evidence waits for the hub')
    this.#isHubDown = true
    const dueMs = performance.now() + this.#hubBackoff.nextMs()
    for (const each of this.#items) each.dueMs = Math.max(each.dueMs, dueMs)
  }

  async #giveUp(item: Item, why: string): Promise<void> {
    const { evidenceId } = item.note.record
    await this.#options.folder.setAside(item.note.record)
    this.#forget(item)
    this.refused += 1
    this.#options.log.error({ evidenceId, why }, 'evidence was set aside: the hub cannot have it')
  }

  #forget(item: Item): void {
    const index = this.#items.indexOf(item)
    if (index >= 0) this.#items.splice(index, 1)
  }
}
