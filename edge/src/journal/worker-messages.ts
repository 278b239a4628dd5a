/** What passes between `journal.ts` and its worker thread. */
import type { Stream } from '@patrolhub/protocol'
import type { EdgeErrorCode } from '../errors.ts'
import type { JournalSlice, JournalState, PendingRecord } from './journal-file.ts'

export interface JournalWorkerData {
  dataDir: string
  maxBytes: number
  maxAgeMs?: number
}

export type JournalCall =
  | { op: 'open' }
  | {
      op: 'commit'
      records: PendingRecord[]
      truncate: Partial<Record<Stream, number>>
      /** The epoch whose numbers `truncate` means: in another they are void. */
      truncateEpoch: string
    }
  | { op: 'read'; stream: Stream; fromSeq: number; limit: number; maxBytes: number }
  | { op: 'renew-epoch' }
  | { op: 'close' }

export type JournalRequest = JournalCall & { id: number }

export type JournalAnswer =
  | { id: number; ok: true; seqs?: number[]; slice?: JournalSlice; state?: JournalState }
  | { id: number; ok: false; code: EdgeErrorCode | 'fault'; message: string }
