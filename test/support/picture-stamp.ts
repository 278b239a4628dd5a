/**
 * The time that a stamped picture carries (gst-rtsp-server.py): 48 cells from the left across its top, black or white,
 * the highest bit first; 40 bits of epoch milliseconds, then the sum of their five bytes modulo 256.
 */

export const STAMP_BITS = 48
export const STAMP_ROWS = 16

/** Columns of one cell in a picture of this width, px. */
export function stampCellPx(widthPx: number): number {
  return Math.floor(widthPx / STAMP_BITS)
}

/**
 * Epoch ms from one grey value, 0..255, for each cell; `undefined` if they are no stamp. `nowMs` gives the bits above
 * the lower 40, so the stamp has to be less than 17 years from it.
 */
export function readStamp(greys: ArrayLike<number>, nowMs: number): number | undefined {
  const bytes = [0, 0, 0, 0, 0, 0]
  for (let bit = 0; bit < STAMP_BITS; bit += 1) if (greys[bit]! > 127) bytes[bit >> 3]! |= 0x80 >> (bit & 7)
  const sum = bytes.pop()!
  if (bytes.reduce((total, byte) => total + byte, 0) % 256 !== sum) return undefined
  const low = bytes.reduce((value, byte) => value * 256 + byte, 0)
  const era = 2 ** 40
  return low + Math.round((nowMs - low) / era) * era
}
