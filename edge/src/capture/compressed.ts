/** The compressed stream of a camera, whatever container it came in. */

/** One coded picture, in decoding order. */
export interface CompressedUnit {
  /** Stream clock: when it is shown, ms. */
  ptsMs: number
  isKeyFrame: boolean
  /** The container's bytes, untouched. */
  bytes: Buffer
}

/** Enough of a stream to decode one picture of it. */
export interface CompressedClip {
  container: 'flv' | 'mpegts'
  /** From the beginning of a stream, through a key frame, to the wanted picture. */
  chunks: Buffer[]
  /** Presentation time of the wanted picture inside the clip, ms. */
  ptsMs: number
}
