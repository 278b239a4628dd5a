/**
 * Cuts a clip out of the ring without coding anything anew: the camera's own pictures from a key frame on, put into an
 * MP4 file. It begins with the key frame at or before the wanted time and ends at the wanted time.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import ffmpeg from 'fluent-ffmpeg'
import { Diagnosis } from '../capture/diagnosis.ts'
import { runFfmpeg } from '../capture/ffmpeg-process.ts'
import { EdgeError } from '../errors.ts'
import type { CameraRing } from './camera-ring.ts'
import type { Container } from './segment-name.ts'

const TIMEOUT_MS = 60_000
const READ_BYTES = 256 * 1024

export interface ClipWish {
  streamId: string
  /** Stream clock, ms. */
  fromMs: number
  /** What the clip is about: when it has to be shortened, this stays. */
  atMs: number
  toMs: number
  maxBytes: number
  /** True if nothing before `fromMs` may be in it: it begins with the first key frame from there on. */
  startsInside?: boolean
  /** ffmpeg is given up after this time; a minute unless it is given. */
  timeoutMs?: number
}

/** A group of pictures in a file. */
interface Piece {
  path: string
  container: Container
  headBytes: number
  start: number
  end: number
  ptsMs: number
}

export interface Clip {
  /** Stream clock of its first picture. */
  fromMs: number
  /** True if less than was asked for fits into `maxBytes`. */
  isShortened: boolean
}

/**
 * Writes the clip to `file`; `undefined` if the ring holds nothing of that time any more. Rejects with
 * EDGE_CLIP_FAILED when ffmpeg fails or the signal aborts.
 */
export async function cutClip(
  ring: CameraRing,
  wish: ClipWish,
  file: string,
  signal: AbortSignal,
): Promise<Clip | undefined> {
  const held = await piecesOf(ring, wish)
  const pieces = withinBytes(held, wish)
  const first = pieces[0]
  if (!first) return undefined
  const isTailCut = pieces.at(-1) !== held.at(-1)
  const files = new Map<string, FileHandle>()
  try {
    // Opened before anything is read: what the ring removes meanwhile can still be read.
    for (const { path } of pieces) if (!files.has(path)) files.set(path, await open(path, 'r'))
    const input = Readable.from(read(pieces, files), { objectMode: false })
    await toMp4(input, {
      container: first.container,
      seconds: isTailCut ? undefined : (wish.toMs - first.ptsMs) / 1000,
      file,
      signal,
      timeoutMs: wish.timeoutMs ?? TIMEOUT_MS,
    })
  } finally {
    for (const handle of files.values()) await handle.close()
  }
  return { fromMs: first.ptsMs, isShortened: pieces.length < held.length }
}

async function piecesOf(
  ring: CameraRing,
  { streamId, fromMs, toMs, startsInside = false }: ClipWish,
): Promise<Piece[]> {
  const pieces: Piece[] = []
  for (const segment of await ring.segmentsOf(streamId, fromMs, toMs)) {
    const { groups, headBytes, bytes } = await segment.content()
    groups.forEach(({ ptsMs, offset }, index) => {
      const end = groups[index + 1]?.offset ?? bytes
      pieces.push({
        path: segment.path,
        container: segment.name.container,
        headBytes,
        start: offset,
        end,
        ptsMs,
      })
    })
  }
  const before = pieces.findLastIndex(({ ptsMs }) => ptsMs <= fromMs)
  return pieces
    .slice(Math.max(0, before))
    .filter(({ ptsMs }) => ptsMs <= toMs && !(startsInside && ptsMs < fromMs))
}

/** Leaves out the groups that are farthest from the moment that matters, until the rest is small enough. */
function withinBytes(held: readonly Piece[], { atMs, maxBytes }: ClipWish): Piece[] {
  const pieces = [...held]
  let bytes = pieces.reduce((sum, { start, end }) => sum + end - start, 0)
  while (bytes > maxBytes && pieces.length > 1) {
    const isHeadFarther = atMs - pieces[1]!.ptsMs > pieces.at(-1)!.ptsMs - atMs
    const { start, end } = (isHeadFarther ? pieces.shift() : pieces.pop())!
    bytes -= end - start
  }
  return bytes > maxBytes ? [] : pieces
}

async function* read(
  pieces: readonly Piece[],
  files: ReadonlyMap<string, FileHandle>,
): AsyncGenerator<Buffer> {
  const [first] = pieces
  yield* range(files.get(first!.path)!, 0, first!.headBytes)
  for (const { path, start, end } of pieces) yield* range(files.get(path)!, start, end)
}

async function* range(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const length = Math.min(READ_BYTES, end - at)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, at)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}

export interface Mp4Options {
  container: Container
  /** Where it ends, by its own clock; `undefined`: with the input. */
  seconds: number | undefined
  file: string
  signal: AbortSignal
  /** ffmpeg is given up after this time. */
  timeoutMs: number
}

/** Puts compressed pictures into an MP4 file as they are. Rejects with EDGE_CLIP_FAILED; a file may be left then. */
export async function toMp4(
  input: Readable,
  { container, seconds, file, signal, timeoutMs }: Mp4Options,
): Promise<void> {
  const command = ffmpeg({ stdoutLines: 40 })
    .input(input)
    .inputFormat(container)
    .inputOptions(['-hide_banner', '-nostats', '-loglevel warning'])
    .output(file)
    .outputOptions(['-y', '-map 0:v:0', '-map_metadata -1', '-c copy', '-movflags +faststart'])
    .format('mp4')
  if (seconds !== undefined) command.outputOptions('-t', Math.max(0.1, seconds).toFixed(3))
  // Players know H.265 in MP4 by this name.
  if (container === 'mpegts') command.outputOptions('-tag:v', 'hvc1')
  const diagnosis = new Diagnosis()
  const process = runFfmpeg(command, (line) => diagnosis.add(line))
  const stop = (): void => void process.stop(0)
  const timer = setTimeout(stop, timeoutMs)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const end = await process.ended
  clearTimeout(timer)
  signal.removeEventListener('abort', stop)
  if (end.exitCode === 0) return
  const why = signal.aborted
    ? 'the edge is stopping'
    : (end.failedToRun ?? diagnosis.lines().at(-1) ?? 'ffmpeg took too long')
  throw new EdgeError('EDGE_CLIP_FAILED', `no clip: ${why}`)
}
