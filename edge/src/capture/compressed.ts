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

/** Takes every coded picture of a camera as it comes, e.g. to record it. */
export interface PictureSink {
  /**
   * `head` has to stand before the first picture of a file of its own; it is the same array for as long as pictures
   * belong to the same stream. `unit.ptsMs` begins anew with every stream.
   */
  take(unit: CompressedUnit, container: CompressedClip['container'], head: readonly Buffer[]): void
  /** The stream has ended; what comes next belongs to another one. */
  end(): void
}
