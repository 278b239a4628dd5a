/**
 * The newest pictures of passages, in memory: an alert of their checkpoint takes them as its evidence, all others are
 * forgotten after a short time. Nothing of an ordinary passage reaches the disk. The oldest make room.
 */
import { randomUUID } from 'node:crypto'
import type { AlertRecord, JournalRecord } from '@patrolhub/protocol'
import type { PictureConfig } from '../config.ts'
import type { PassagePicture } from './picture.ts'

interface Remembered {
  deviceId: string
  atMs: number
  pictures: readonly PassagePicture[]
  bytes: number
  /** Monotonic clock. */
  untilMs: number
}

export interface AlertPicture {
  evidenceId: string
  alertId: string
  atMs: number
  jpeg: Buffer
}

export class PictureMemory {
  readonly #config: PictureConfig
  #remembered: Remembered[] = []
  #bytes = 0

  constructor(config: PictureConfig) {
    this.#config = config
  }

  get bytes(): number {
    return this.#bytes
  }

  add(deviceId: string, atMs: number, pictures: readonly PassagePicture[], nowMs: number): void {
    if (!this.#config.isOn || pictures.length === 0) return
    const bytes = pictures.reduce((sum, { jpeg }) => sum + jpeg.length, 0)
    const untilMs = nowMs + this.#config.keepSeconds * 1000
    this.#remembered.push({ deviceId, atMs, pictures, bytes, untilMs })
    this.#bytes += bytes
    while (this.#bytes > this.#config.maxMegabytes * 1024 ** 2) this.#forgetOldest()
    this.forget(nowMs)
  }

  /** Forgets what is past its time. */
  forget(nowMs: number): void {
    while (this.#remembered[0] && this.#remembered[0].untilMs <= nowMs) this.#forgetOldest()
  }

  /**
   * Gives the alerts of checkpoints the pictures of the last passage before them as evidence: the records to be journalled,
   * and the pictures to be kept once they are. Other records are left as they are.
   */
  link(
    records: readonly JournalRecord[],
    nowMs: number,
  ): { records: JournalRecord[]; pictures: AlertPicture[] } {
    this.forget(nowMs)
    const pictures: AlertPicture[] = []
    const linked = records.map((record) => {
      if (record.kind !== 'alert' || record.deviceKind !== 'checkpoint') return record
      const own = this.#picturesFor(record)
      pictures.push(...own)
      if (own.length === 0) return record
      return { ...record, evidenceIds: [...record.evidenceIds, ...own.map(({ evidenceId }) => evidenceId)] }
    })
    return { records: linked, pictures }
  }

  #picturesFor({ alertId, deviceId, evidenceIds }: AlertRecord): AlertPicture[] {
    if (evidenceIds.length > 0) return []
    const last = this.#remembered.findLast((each) => each.deviceId === deviceId)
    return (last?.pictures ?? []).map(({ jpeg }) => ({
      evidenceId: randomUUID(),
      alertId,
      atMs: last!.atMs,
      jpeg,
    }))
  }

  #forgetOldest(): void {
    this.#bytes -= this.#remembered.shift()?.bytes ?? 0
  }
}
