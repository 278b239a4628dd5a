/**
 * The arithmetic of the cursor protocol (docs/design/cursor-protocol.md): what a batch means for a cursor, decided
 * without touching any store.
 */
import type { Batch } from '@patrolhub/protocol'

export type BatchPlan =
  /** No hello has announced the epoch. */
  | { kind: 'epoch' }
  /** Something between the cursor and the batch is missing, or its numbers lie beyond what is a number. */
  | { kind: 'gap' }
  /** Everything in it is committed already. */
  | { kind: 'repeat'; repeated: number }
  | {
      kind: 'take'
      /** Sequence number of `records[0]`. */
      firstSeq: number
      records: readonly unknown[]
      /** The cursor once they are committed. */
      upTo: number
      repeated: number
      /** Declared by the edge: these numbers will never come. */
      lost: NonNullable<Batch['lost']> | undefined
    }

/** `cursor`: the highest committed number of the batch's epoch, `undefined` if the epoch is unknown. */
export function planBatch(cursor: number | undefined, batch: Batch): BatchPlan {
  if (cursor === undefined) return { kind: 'epoch' }
  const { firstSeq, records, lost } = batch
  const next = cursor + 1
  const upTo = firstSeq - 1 + records.length
  const lostBefore = lost && lost.toSeq === firstSeq - 1 && lost.fromSeq <= lost.toSeq ? lost : undefined
  const bridgesHole = lostBefore !== undefined && lostBefore.fromSeq <= next
  if ((firstSeq > next && !bridgesHole) || !Number.isSafeInteger(upTo)) return { kind: 'gap' }
  if (upTo <= cursor) return { kind: 'repeat', repeated: records.length }
  const repeated = Math.max(0, next - firstSeq)
  return {
    kind: 'take',
    firstSeq: firstSeq + repeated,
    records: records.slice(repeated),
    upTo,
    repeated,
    // Seen before if some of what follows it was.
    lost: firstSeq >= next ? lostBefore : undefined,
  }
}
