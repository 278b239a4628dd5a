import type { NormBox, NormPoint } from '@patrolhub/protocol'

/** One object followed over time. */
export interface Track {
  trackId: number
  className: string
  score: number
  boxNorm: NormBox
  firstSeenAtMs: number
  lastSeenAtMs: number
  /** Reported for the first time: what its path says of before counts as well. */
  isNew: boolean
  /** A person on a bicycle or motorcycle: they are fast without running. */
  isRider: boolean
  /** Foot points (bottom centre of the box), oldest first, at most 200. */
  path: NormPoint[]
  /** When each point of the path was seen, ms; as long as the path. */
  pathAtMs: number[]
  /** How high the box was at each point of the path, parts of the picture; as long as the path. */
  pathHeights: number[]
}
