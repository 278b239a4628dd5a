/**
 * How long an MP4 says it is, from its movie header (ISO/IEC 14496-12 4.2, 8.2.2): enough to refuse a clip that holds
 * more than was asked for. Boxes are walked by their sizes; nothing of the pictures is read.
 */
import { type FileHandle, open } from 'node:fs/promises'

const HEADER_BYTES = 8
const LARGE_HEADER_BYTES = 16
/** Version and flags, two times, then scale and duration; the times and the duration are longer in version 1. */
const MOVIE_HEADER_BYTES = 32

/** Milliseconds; `undefined` if this is no MP4 with a movie header. */
export async function mp4LengthMs(path: string): Promise<number | undefined> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const movie = await findBox(file, 'moov', 0, size)
    const header = movie && (await findBox(file, 'mvhd', movie.begin, movie.end))
    if (!header) return undefined
    const bytes = await readAt(file, header.begin, MOVIE_HEADER_BYTES)
    const isLong = bytes[0] === 1
    const scale = bytes.readUInt32BE(isLong ? 20 : 12)
    const duration = isLong ? Number(bytes.readBigUInt64BE(24)) : bytes.readUInt32BE(16)
    return scale === 0 ? undefined : (duration / scale) * 1000
  } finally {
    await file.close()
  }
}

async function findBox(
  file: FileHandle,
  wanted: string,
  from: number,
  to: number,
): Promise<{ begin: number; end: number } | undefined> {
  for (let at = from; at + HEADER_BYTES <= to; ) {
    const head = await readAt(file, at, LARGE_HEADER_BYTES)
    const isLarge = head.readUInt32BE(0) === 1
    const size = isLarge ? Number(head.readBigUInt64BE(8)) : head.readUInt32BE(0)
    const headBytes = isLarge ? LARGE_HEADER_BYTES : HEADER_BYTES
    // 0 means up to the end of the file; anything else that small is no box.
    const end = size === 0 ? to : at + size
    if (end < at + headBytes || end > to) return undefined
    if (head.toString('latin1', 4, 8) === wanted) return { begin: at + headBytes, end }
    at = end
  }
  return undefined
}

/** What the file does not have reads as zeros. */
async function readAt(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes)
  await file.read(buffer, 0, bytes, at)
  return buffer
}
