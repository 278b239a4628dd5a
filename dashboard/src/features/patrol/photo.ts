/**
 * Makes a photo small enough for a weak network. Drawing it anew also leaves out what the camera wrote into the file, the
 * place among it.
 */
const MAX_SIDE_PX = 1600
const JPEG_QUALITY = 0.82

/** Size that fits a square of `max` pixels a side, same shape, never larger than it was. */
export function fittingSize(width: number, height: number, max: number): { width: number; height: number } {
  const scale = Math.min(1, max / Math.max(width, height, 1))
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

/** A JPEG of at most 1600 px a side. Rejects if the file is not a picture that the browser can read. */
export async function scaledPhoto(file: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' })
  try {
    const { width, height } = fittingSize(bitmap.width, bitmap.height, MAX_SIDE_PX)
    const canvas = document.createElement('canvas')
    canvas.width = width
    canvas.height = height
    const drawing = canvas.getContext('2d')
    if (!drawing) throw new Error('This browser cannot draw pictures')
    drawing.drawImage(bitmap, 0, 0, width, height)
    return await new Promise<Blob>((resolve, reject) => {
      canvas.toBlob(
        (blob) => (blob ? resolve(blob) : reject(new Error('The photo could not be encoded'))),
        'image/jpeg',
        JPEG_QUALITY,
      )
    })
  } finally {
    bitmap.close()
  }
}
