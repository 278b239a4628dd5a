import type { NormBox } from '@patrolhub/protocol'

/** One object that the detector found. The box is relative to the picture, without the padding. */
export interface Detection {
  className: string
  /** 0..1 */
  score: number
  boxNorm: NormBox
}
