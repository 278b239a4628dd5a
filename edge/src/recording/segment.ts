/**
 * One file of the ring, from its first picture to its removal. It is written under a temporary name and renamed when
 * it is whole and synced, so that a file with its final name is one. Pictures are gathered in memory for a moment and
 * written together; memory is bounded by whoever writes.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CompressedUnit } from '../capture/compressed.ts'
import { formatSegmentName, type SegmentName } from './segment-name.ts'
import { type Group, type SegmentContent, scanSegment } from './segment-scan.ts'

export class Segment {
  readonly name: SegmentName
  readonly #folder: string
  #content: SegmentContent | undefined
  #bytes: number
  #file: FileHandle | undefined
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #work: Promise<void> = Promise.resolve()
  #isFinished: boolean
  #finishing: Promise<void> = Promise.resolve()

  /** `bytes` is what the disk holds of a segment of an earlier run. */
  constructor(folder: string, name: SegmentName, bytes = 0) {
    this.name = { ...name }
    this.#folder = folder
    this.#bytes = bytes
    this.#isFinished = !name.isUnfinished
  }

  get path(): string {
    return join(this.#folder, formatSegmentName(this.name))
  }

  /** Size of the file when everything is written. */
  get bytes(): number {
    return this.#bytes
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Stream clock of its newest picture; only for a segment of this run. */
  get lastPtsMs(): number {
    return this.#content?.lastPtsMs ?? this.name.firstPtsMs
  }

  /** Makes the file. */
  begin(head: readonly Buffer[]): void {
    this.#content = { headBytes: 0, groups: [], lastPtsMs: this.name.firstPtsMs, bytes: 0 }
    for (const part of head) this.#add(part)
    this.#content.headBytes = this.#bytes
    this.#enqueue(async () => {
      this.#file = await open(this.path, 'wx', 0o600)
    })
  }

  append({ ptsMs, isKeyFrame, bytes }: CompressedUnit): void {
    const content = this.#content!
    if (isKeyFrame) content.groups.push({ ptsMs, offset: this.#bytes })
    content.lastPtsMs = Math.max(content.lastPtsMs, ptsMs)
    this.#add(bytes)
  }

  /** Resolves when everything so far is in the file; rejects if it could not be written, then and from then on. */
  flush(): Promise<void> {
    const parts = this.#waiting
    if (parts.length > 0) {
      const bytes = parts.reduce((sum, part) => sum + part.length, 0)
      this.#waiting = []
      this.#enqueue(async () => {
        const { bytesWritten } = await this.#file!.writev(parts)
        if (bytesWritten < bytes) throw diskFull(bytesWritten, bytes)
        this.#waitingBytes -= bytes
      })
    }
    return this.#work
  }

  /** Writes what is left, syncs, and gives it its final name. Rejects if that fails; the file is then closed. */
  finish(): Promise<void> {
    if (!this.#isFinished) {
      this.#isFinished = true
      this.#finishing = this.#finish()
    }
    return this.#finishing
  }

  async #finish(): Promise<void> {
    try {
      await this.flush()
      await this.#file!.datasync()
    } finally {
      await this.#file?.close()
      this.#file = undefined
    }
    const from = this.path
    this.name.isUnfinished = false
    await rename(from, this.path)
  }

  /** Opens it for reading, also while it is written; `undefined` if it has been removed. */
  async openToRead(): Promise<FileHandle | undefined> {
    for (let attempt = 0; attempt < 2; attempt++) {
      // It is renamed when it is whole: for a moment it has neither name.
      await this.#finishing.catch(() => undefined)
      try {
        return await open(this.path, 'r')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    return undefined
  }

  /** Closes and deletes it. */
  async remove(): Promise<void> {
    this.#isFinished = true
    this.#waiting = []
    await this.#work.catch(() => undefined)
    // Else the file would get its final name after it was deleted under the other.
    await this.#finishing.catch(() => undefined)
    await this.#file?.close().catch(() => undefined)
    this.#file = undefined
    await rm(this.path, { force: true })
  }

  /** Groups of pictures, read from the disk for a segment of an earlier run. */
  async content(): Promise<SegmentContent> {
    if (!this.#content) {
      const content = await scanSegment(this.path, this.name.container)
      // A clock that wraps begins anew for who reads the file alone.
      const shift = this.name.firstPtsMs - (content.groups[0]?.ptsMs ?? this.name.firstPtsMs)
      this.#content = {
        ...content,
        groups: content.groups.map((group: Group) => ({ ...group, ptsMs: group.ptsMs + shift })),
        lastPtsMs: content.lastPtsMs + shift,
      }
    }
    return { ...this.#content, groups: [...this.#content.groups], bytes: this.#bytes }
  }

  #add(bytes: Buffer): void {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    this.#bytes += bytes.length
  }

  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work)
    // Whoever flushes or finishes hears of it.
    this.#work.catch(() => undefined)
  }
}

/** A file system that takes a part only is full. */
function diskFull(written: number, wanted: number): Error {
  return Object.assign(new Error(`the disk took ${written} of ${wanted} bytes`), { code: 'ENOSPC' })
}
