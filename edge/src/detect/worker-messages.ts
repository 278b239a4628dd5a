/** What passes between the pool and its workers. Pixels are transferred in both directions, never copied. */
import type { EdgeErrorCode } from '../errors.ts'
import type { Detection } from './detection.ts'
import type { DetectionSettings } from './detection-session.ts'

export type DetectionWorkerData = DetectionSettings

export interface AnalyseRequest {
  cameraId: string
  pixels: Uint8Array<ArrayBuffer>
  pictureWidthPx: number
  pictureHeightPx: number
}

/** A worker says `ready` or `refused` once; then it answers each request with `analysed` or `failed`. */
export type WorkerReply =
  | { kind: 'ready' }
  | { kind: 'refused'; code: EdgeErrorCode; message: string }
  | { kind: 'analysed'; detections: Detection[]; inferenceMs: number; pixels: Uint8Array<ArrayBuffer> }
  | { kind: 'failed'; message: string; pixels: Uint8Array<ArrayBuffer> }
