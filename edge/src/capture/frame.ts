/** One analysis frame, from decoding to detection. */
export interface Frame {
  cameraId: string
  /** Wall clock: when the frame's compressed packet reached the edge. */
  capturedAtMs: number
  /** Stream clock: presentation time since the connection began, ms. */
  streamMs: number
  /** Size of `data`: what the detector wants. */
  widthPx: number
  heightPx: number
  /** Size of the picture inside, at the top left; the rest is padding. */
  pictureWidthPx: number
  pictureHeightPx: number
  /** True if it is known to show nothing new: then what was found in the frame before is there still. */
  isStill: boolean
  /** Interleaved 8-bit pixels, `widthPx * heightPx * 3`, in the channel order that the detector asked for. */
  data: Uint8Array
}

/** A moment at which nothing was decoded, because nothing has moved since the last frame. */
export type StillMoment = Pick<Frame, 'capturedAtMs' | 'streamMs'>

/** What a detector wants its frames to be. */
export interface FrameFormat {
  widthPx: number
  heightPx: number
  channels: 'BGR' | 'RGB'
  /** Grey value of the padding, 0..255. */
  padding: number
}
