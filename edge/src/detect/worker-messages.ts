/** What passes between the pool and its workers. Pixels are transferred in both directions, never copied. */
import type { EdgeErrorCode } from '../errors.ts'
import type { Detection } from './detection.ts'
import type { DetectionSettings } from './detection-session.ts'

export interface DetectionWorkerData extends Omit<DetectionSettings, 'widthPx' | 'heightPx'> {
  /** Sizes of the frames that will come. */
  sizes: readonly FrameSize[]
}

export interface FrameSize {
  widthPx: number
  heightPx: number
}

export interface AnalyseRequest extends FrameSize {
  kind: 'analyse'
  cameraId: string
  pixels: Uint8Array<ArrayBuffer>
  pictureWidthPx: number
  pictureHeightPx: number
}

/**
 * `close` ends the thread after the inference that runs. It has to be asked: a thread that is terminated while native
 * code runs in it takes the whole process with it (onnxruntime-node throws into an environment that is gone).
 */
export type WorkerRequest = AnalyseRequest | { kind: 'close' }

/** A worker says `ready` or `refused` once; then it answers each request with `analysed` or `failed`. */
export type WorkerReply =
  | { kind: 'ready' }
  | { kind: 'refused'; code: EdgeErrorCode; message: string }
  | { kind: 'analysed'; detections: Detection[]; inferenceMs: number; pixels: Uint8Array<ArrayBuffer> }
  | { kind: 'failed'; message: string; pixels: Uint8Array<ArrayBuffer> }
