/**
 * What the rest of the edge sees of detection: frames go in, boxes come out, and a camera that is ahead of the
 * processor loses frames, never time. `DetectorPool` in `detector-pool.ts` is the one that runs.
 */
import type { Frame, FrameFormat } from '../capture/frame.ts'
import type { Detection } from './detection.ts'

export interface DetectorStats {
  /** Frames whose boxes were returned. */
  analysed: number
  /** Frames replaced by a newer one of the same camera before a worker was free. */
  dropped: number
  /** Frames that ended in an error. */
  failed: number
  /** Median time of inference and decoding over the last frames, ms; 0 before the first. */
  inferenceMsP50: number
}

export interface Detector {
  /** What `submit` wants the frames of a camera with this `detail` to be. Known from construction on. */
  formatOf(detail: number): FrameFormat
  /**
   * Boxes of one frame, best score first; `undefined` when a newer frame of the same camera took its place, or the
   * detector was closed. Rejects with EDGE_FRAME_FORMAT or EDGE_DETECTION_FAILED.
   *
   * `frame.data` is lent: its memory moves to a worker and is empty until the promise settles. Afterwards
   * `frame.data` holds the same pixels again (empty if the worker crashed with it), so that a snapshot can be taken.
   */
  submit(frame: Frame): Promise<Detection[] | undefined>
  /** Counts since the start for one camera; zeros for a camera never seen. */
  stats(cameraId: string): DetectorStats
  /**
   * Has to be awaited before the process exits: leaving while a model runs in a thread aborts the process (SIGABRT),
   * since onnxruntime-node then returns into an environment that is gone.
   */
  close(): Promise<void>
}
