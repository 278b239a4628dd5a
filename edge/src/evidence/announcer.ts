/**
 * Hands the records of stored evidence to the journal, in order, whether or not the hub can be reached. A failure is
 * tried again with growing pauses; what is not announced when this ends is announced after the next start.
 */
import type { EvidenceRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { Backoff } from '../backoff.ts'
import type { EvidenceFolder, EvidenceNote } from './evidence-folder.ts'

export interface AnnouncerOptions {
  folder: EvidenceFolder
  log: Logger
  announce: (record: EvidenceRecord) => Promise<void>
  onAnnounced: (note: EvidenceNote) => void
  backoff: Backoff
}

export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #notes: EvidenceNote[] = []
  readonly #stopping = new AbortController()
  #work: Promise<void> | undefined

  constructor(options: AnnouncerOptions) {
    this.#options = options
  }

  get pending(): number {
    return this.#notes.length
  }

  add(note: EvidenceNote): void {
    this.#notes.push(note)
    this.#schedule()
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    while (this.#work) await this.#work
  }

  #schedule(): void {
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined
      // What came after the run had looked for the last time; what a stop left over waits for the next start.
      if (this.#notes.length > 0 && !this.#stopping.signal.aborted) this.#schedule()
    })
  }

  async #run(): Promise<void> {
    const { folder, log, announce, onAnnounced, backoff } = this.#options
    const { signal } = this.#stopping
    while (this.#notes.length > 0) {
      const note = this.#notes[0]!
      try {
        if (!note.isAnnounced) await announce(note.record)
        // A crash between these two lines announces it again after the restart: the hub takes it for the same one.
        note.isAnnounced = true
        await folder.storeState(note)
        backoff.reset()
        this.#notes.shift()
        onAnnounced(note)
      } catch (err) {
        log.error({ err, evidenceId: note.record.evidenceId }, 'evidence could not be announced')
        if (signal.aborted || !(await backoff.wait(signal))) return
      }
    }
  }
}
