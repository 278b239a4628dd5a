/**
 * Decodes one picture out of a compressed clip, at full resolution. Every picture from the key frame on has to be
 * decoded to get there; the one that is kept is found by its own time, so that reordered pictures (B-frames) give the
 * right one.
 */
import { Readable, Writable } from 'node:stream'
import type { NormBox } from '@patrolhub/protocol'
import ffmpeg, { type FfmpegCommand } from 'fluent-ffmpeg'
import type { CompressedClip } from '../capture/compressed.ts'
import { Diagnosis } from '../capture/diagnosis.ts'
import { runFfmpeg } from '../capture/ffmpeg-process.ts'
import { EdgeError } from '../errors.ts'

const TIMEOUT_MS = 20_000
const MAX_JPEG_BYTES = 16 * 1024 * 1024
/** ffmpeg's scale of JPEG quality: 2 best, 31 worst. 3 keeps a distant face or sign readable. */
const JPEG_QUALITY = 3

/**
 * The picture as a JPEG file. Rejects with EDGE_SNAPSHOT_FAILED when the clip does not hold it, ffmpeg fails or the
 * signal aborts.
 */
export async function decodePicture(clip: CompressedClip, signal?: AbortSignal): Promise<Buffer> {
  const wantedSeconds = ((clip.ptsMs - 2) / 1000).toFixed(3)
  const command = ffmpeg({ stdoutLines: 40 })
    .input(Readable.from(clip.chunks))
    .inputFormat(clip.container)
    .inputOptions(['-hide_banner', '-nostats', '-loglevel warning', '-copyts', '-threads 1'])
  const filter = `select='gte(t\\,${wantedSeconds})'`
  return await toJpeg(command, {
    filter,
    missing: `the clip does not hold the picture at ${clip.ptsMs} ms`,
    signal,
  })
}

/** A rectangle to be drawn: of the subject of an alert, or of something else that was seen. */
export interface Mark {
  boxNorm: NormBox
  isSubject: boolean
}

/** The JPEG again, with the rectangles drawn into it. Rejects as `decodePicture` does. */
export async function markPicture(
  jpeg: Buffer,
  marks: readonly Mark[],
  signal?: AbortSignal,
): Promise<Buffer> {
  const command = ffmpeg({ stdoutLines: 40 })
    .input(Readable.from([jpeg]))
    .inputFormat('jpeg_pipe')
    .inputOptions(['-hide_banner', '-nostats', '-loglevel warning'])
  // The subjects last, so that nothing is drawn over them.
  const boxes = marks
    .toSorted((a, b) => Number(a.isSubject) - Number(b.isSubject))
    .map(({ boxNorm: [x1, y1, x2, y2], isSubject }) => {
      const size = `x=iw*${x1}:y=ih*${y1}:w=iw*${x2 - x1}:h=ih*${y2 - y1}`
      return `drawbox=${size}:color=${isSubject ? '0xff3b30' : '0xffffff'}:t=${isSubject ? 4 : 2}`
    })
  return await toJpeg(command, { filter: boxes.join(',') || 'null', missing: 'there is no picture', signal })
}

interface JpegOptions {
  filter: string
  /** What it means when ffmpeg gives no picture and says nothing. */
  missing: string
  signal: AbortSignal | undefined
}

async function toJpeg(command: FfmpegCommand, { filter, missing, signal }: JpegOptions): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      parts.push(chunk)
      done(bytes > MAX_JPEG_BYTES ? new Error('the JPEG is too large') : undefined)
    },
  })
  command
    .output(output)
    .outputOptions('-vf', filter)
    .outputOptions([
      '-map 0:v:0',
      '-fps_mode passthrough',
      '-frames:v 1',
      '-pix_fmt yuvj420p',
      `-q:v ${JPEG_QUALITY}`,
    ])
    .videoCodec('mjpeg')
    .format('image2pipe')
  const diagnosis = new Diagnosis()
  const process = runFfmpeg(command, (line) => diagnosis.add(line))
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    void process.stop(0)
  }, TIMEOUT_MS)
  const onAbort = (): void => void process.stop(0)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  const end = await process.ended
  clearTimeout(timer)
  signal?.removeEventListener('abort', onAbort)
  const jpeg = Buffer.concat(parts)
  if (isJpeg(jpeg)) return jpeg
  const why = signal?.aborted
    ? 'the edge is stopping'
    : isLate
      ? `ffmpeg took more than ${TIMEOUT_MS / 1000} s`
      : (end.failedToRun ?? diagnosis.lines().at(-1) ?? missing)
  throw new EdgeError('EDGE_SNAPSHOT_FAILED', `no snapshot: ${why}`)
}

/** True if the bytes begin and end as a JPEG file does: what was cut off on the way is not one. */
function isJpeg(bytes: Buffer): boolean {
  return (
    bytes.length > 4 && bytes.readUInt16BE(0) === 0xffd8 && bytes.readUInt16BE(bytes.length - 2) === 0xffd9
  )
}
