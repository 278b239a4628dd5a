/** Reads files out of a gzipped tar archive (POSIX ustar), as npm registries serve packages. */
import { gunzipSync } from 'node:zlib'

const BLOCK_BYTES = 512
const MAX_UNPACKED_BYTES = 512 * 1024 * 1024

/**
 * The wanted regular files, by path. Throws an Error when the archive is not whole or lacks one of them.
 * Nothing is written anywhere, so a path in the archive cannot lead outside a folder.
 */
export function readTarball(archive: Uint8Array, wantedPaths: readonly string[]): Map<string, Uint8Array> {
  const tar = gunzipSync(archive, { maxOutputLength: MAX_UNPACKED_BYTES })
  const files = new Map<string, Uint8Array>()
  for (let at = 0; at + BLOCK_BYTES <= tar.length; ) {
    const header = tar.subarray(at, at + BLOCK_BYTES)
    // Two blocks of zeros end an archive.
    if (header[0] === 0) break
    const size = Number.parseInt(text(header, 124, 12), 8)
    const start = at + BLOCK_BYTES
    if (!(size >= 0) || start + size > tar.length)
      throw new Error(`the archive is cut off or damaged at byte ${at}`)
    const prefix = text(header, 345, 155)
    const path = prefix ? `${prefix}/${text(header, 0, 100)}` : text(header, 0, 100)
    const type = header[156]!
    const isRegularFile = type === 0 || type === '0'.charCodeAt(0)
    if (isRegularFile && wantedPaths.includes(path)) files.set(path, tar.subarray(start, start + size))
    at = start + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES
  }
  const missing = wantedPaths.filter((path) => !files.has(path))
  if (missing.length > 0) throw new Error(`the archive does not hold ${missing.join(', ')}`)
  return files
}

/** A field of a header: ASCII, ended by a zero byte or the field's end. */
function text(header: Uint8Array, offset: number, length: number): string {
  const field = header.subarray(offset, offset + length)
  const end = field.indexOf(0)
  return new TextDecoder('latin1').decode(end < 0 ? field : field.subarray(0, end)).trim()
}
