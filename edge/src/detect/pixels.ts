/**
 * Interleaved 8-bit pixels to the three planes of floats that a model wants, values unchanged (0..255).
 * `pixels` is `[y, x, channel]`, `planes` `[channel, y, x]` of the same length.
 */
export function spreadToPlanes(pixels: Uint8Array, planes: Float32Array): void {
  const area = planes.length / 3
  const area2 = 2 * area
  for (let pixel = 0, at = 0; pixel < area; pixel++, at += 3) {
    planes[pixel] = pixels[at]!
    planes[area + pixel] = pixels[at + 1]!
    planes[area2 + pixel] = pixels[at + 2]!
  }
}
