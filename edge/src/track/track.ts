import type { NormBox, NormPoint } from '@patrolhub/protocol'

/** One object followed over time. */
export interface Track {
  trackId: number
  className: string
  score: number
  boxNorm: NormBox
  firstSeenAtMs: number
  lastSeenAtMs: number
  /** Foot points (bottom centre of the box), oldest first, at most 200. */
  path: NormPoint[]
  /** When each point of the path was seen, ms; as long as the path. */
  pathAtMs: number[]
}
