/** Video as raw pictures: decoded one after another, changed, and coded again. For scenes that are put together. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'

/** Interleaved RGB, row by row. */
export interface Picture {
  widthPx: number
  heightPx: number
  data: Buffer
}

export interface Size {
  widthPx: number
  heightPx: number
}

/** The pictures of a file, scaled and at a constant rate. @throws Error with what ffmpeg said. */
export async function* picturesOf(
  file: string,
  { widthPx, heightPx }: Size,
  fps: number,
  args: readonly string[] = [],
): AsyncGenerator<Picture> {
  const { child, ended } = run([
    ...args,
    ...['-i', file, '-an', '-vf', `fps=${fps},scale=${widthPx}:${heightPx}`],
    ...['-pix_fmt', 'rgb24', '-f', 'rawvideo', '-'],
  ])
  const size = widthPx * heightPx * 3
  let data = Buffer.allocUnsafe(size)
  let filled = 0
  for await (const chunk of child.stdout as Readable) {
    for (let at = 0; at < chunk.length; ) {
      const taken = (chunk as Buffer).copy(data, filled, at)
      at += taken
      filled += taken
      if (filled < size) break
      yield { widthPx, heightPx, data }
      data = Buffer.allocUnsafe(size)
      filled = 0
    }
  }
  await ended
}

/** Codes pictures as H.264 with what `coding` says (rate, noise). @throws Error with what ffmpeg said. */
export async function writeVideo(
  file: string,
  pictures: AsyncIterable<Picture>,
  { widthPx, heightPx, fps, coding }: Size & { fps: number; coding: readonly string[] },
): Promise<void> {
  const { child, ended } = run([
    ...['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${widthPx}x${heightPx}`, '-r', String(fps), '-i', '-'],
    ...[...coding, '-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-y', '-f', 'mp4', file],
  ])
  const input = child.stdin as Writable
  // Its end is told by `ended`, with the reason.
  input.on('error', () => undefined)
  for await (const { data } of pictures) if (!input.write(data)) await once(input, 'drain')
  input.end()
  await ended
}

function run(args: readonly string[]): { child: ChildProcess; ended: Promise<void> } {
  const child = spawn('ffmpeg', ['-nostdin', '-v', 'error', ...args])
  let said = ''
  child.stderr.on('data', (text) => {
    said += text
  })
  const ended = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`ffmpeg failed: ${said.trim()}`)
  })
  // Whoever waits for it gets the error, however late.
  ended.catch(() => undefined)
  return { child, ended }
}

/** What is seen most of the time: the median of each value. */
export function medianOf(pictures: readonly Picture[]): Picture {
  const [first] = pictures
  const data = Buffer.alloc(first!.data.length)
  const values = new Uint8Array(pictures.length)
  for (let index = 0; index < data.length; index++) {
    for (let each = 0; each < pictures.length; each++) values[each] = pictures[each]!.data[index]!
    data[index] = values.sort()[pictures.length >> 1]!
  }
  return { ...first!, data }
}

/** How much each pixel belongs to what is not in the background, 0..1: what `low` and `high` grey values apart mean. */
export function matteOf(picture: Picture, background: Picture, [low, high] = [18, 45]): Float32Array {
  const matte = new Float32Array(picture.widthPx * picture.heightPx)
  for (let index = 0; index < matte.length; index++) {
    const at = index * 3
    const apart = Math.max(
      Math.abs(picture.data[at]! - background.data[at]!),
      Math.abs(picture.data[at + 1]! - background.data[at + 1]!),
      Math.abs(picture.data[at + 2]! - background.data[at + 2]!),
    )
    matte[index] = Math.min(1, Math.max(0, (apart - low!) / (high! - low!)))
  }
  return matte
}
