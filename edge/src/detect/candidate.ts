import type { NormBox } from '@patrolhub/protocol'
import type { Detection } from './detection.ts'

/** A box as a decoder reads it from the model's output: in pixels of the model's input, corners in any place. */
export interface Candidate {
  classIndex: number
  /** 0..1 */
  score: number
  x1: number
  y1: number
  x2: number
  y2: number
}

/** Boxes thinner than this share of the picture are left out: they lie in the padding or mean nothing. */
const MIN_SIDE = 1e-3

/**
 * From pixels of the input to shares of the picture, which lies at the input's top left. Boxes are cut at the
 * picture's edge; those that lie in the padding are left out.
 */
export function toDetections(
  candidates: readonly Candidate[],
  picture: { widthPx: number; heightPx: number },
  classes: readonly string[],
): Detection[] {
  const detections: Detection[] = []
  for (const { classIndex, score, x1, y1, x2, y2 } of candidates) {
    const boxNorm: NormBox = [
      clamp(x1 / picture.widthPx),
      clamp(y1 / picture.heightPx),
      clamp(x2 / picture.widthPx),
      clamp(y2 / picture.heightPx),
    ]
    // Written so that NaN is left out, too.
    if (!(boxNorm[2] - boxNorm[0] >= MIN_SIDE && boxNorm[3] - boxNorm[1] >= MIN_SIDE)) continue
    detections.push({ className: classes[classIndex]!, score: clamp(score), boxNorm })
  }
  return detections
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value))
}
