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
  lane: number
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

  add(
    deviceId: string,
    { atMs, lane, pictures = [] }: { atMs: number; lane: number; pictures?: readonly PassagePicture[] },
    nowMs: number,
  ): void {
    if (!this.#config.isOn || pictures.length === 0) return
    const bytes = pictures.reduce((sum, { jpeg }) => sum + jpeg.length, 0)
    const untilMs = nowMs + this.#config.keepSeconds * 1000
    this.#remembered.push({ deviceId, atMs, lane, pictures, bytes, untilMs })
    this.#bytes += bytes
    while (this.#bytes > this.#config.maxMegabytes * 1024 ** 2) this.#forgetOldest()
    this.forget(nowMs)
  }

  /** Forgets what is past its time. */
  forget(nowMs: number): void {
    while (this.#remembered[0] && this.#remembered[0].untilMs <= nowMs) this.#forgetOldest()
  }

  /**
   * Gives the alerts of checkpoints pictures as evidence: the records to be journalled, and the pictures to be kept once they
   * are. Other records are left as they are. `of`: those of the alert's own passage and no other vehicle, or those of the
   * last passage before it.
   */
  link(
    records: readonly JournalRecord[],
    of: 'own passage' | 'last passage',
    nowMs: number,
  ): { records: JournalRecord[]; pictures: AlertPicture[] } {
    this.forget(nowMs)
    const pictures: AlertPicture[] = []
    const linked = records.map((record) => {
      if (record.kind !== 'alert' || record.deviceKind !== 'checkpoint') return record
      const own = this.#picturesFor(record, of)
      pictures.push(...own)
      if (own.length === 0) return record
      return { ...record, evidenceIds: [...record.evidenceIds, ...own.map(({ evidenceId }) => evidenceId)] }
    })
    return { records: linked, pictures }
  }

  #picturesFor(alert: AlertRecord, of: 'own passage' | 'last passage'): AlertPicture[] {
    const { alertId, deviceId, evidenceIds, facts } = alert
    if (evidenceIds.length > 0) return []
    const found = this.#remembered.findLast((each) => {
      if (each.deviceId !== deviceId) return false
      // Devices give whole seconds, and two vehicles may pass in one.
      const isOwn = each.atMs === alert.atMs && (facts.lane === undefined || facts.lane === each.lane)
      return of === 'last passage' || isOwn
    })
    return (found?.pictures ?? []).map(({ jpeg }) => ({
      evidenceId: randomUUID(),
      alertId,
      atMs: found!.atMs,
      jpeg,
    }))
  }

  #forgetOldest(): void {
    this.#bytes -= this.#remembered.shift()?.bytes ?? 0
  }
}
