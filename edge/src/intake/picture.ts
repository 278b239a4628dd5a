/** Pictures that a device sends with a passage: base64 in GA/T 1400 `SubImageList`. Kept only if they are JPEG files. */
import { isGroup } from './fields.ts'

export interface PassagePicture {
  jpeg: Buffer
  widthPx: number
  heightPx: number
}

export interface PictureLimits {
  /** Pictures of one passage. */
  count: number
  /** Bytes of one picture. */
  bytes: number
}

/** Marker segments without a length: TEM and RST0 to RST7 (ITU-T T.81, B.1.1.3). */
const isBare = (marker: number) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)
/** Start of frame, any coding process; DHT, JPG and DAC lie in the same range. */
const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
const MAX_SIDE_PX = 16_384

/**
 * The size of a JPEG file, by its marker segments: from SOI over a frame header to the scan, and EOI at the end.
 * `undefined` for anything else, also for a file that was cut off.
 */
export function jpegSize(bytes: Buffer): { widthPx: number; heightPx: number } | undefined {
  if (bytes.length < 20 || bytes.readUInt16BE(0) !== 0xffd8) return undefined
  if (bytes.readUInt16BE(bytes.length - 2) !== 0xffd9) return undefined
  let size: { widthPx: number; heightPx: number } | undefined
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at += 1
      continue
    }
    if (isBare(marker)) {
      at += 2
      continue
    }
    const length = bytes.readUInt16BE(at + 2)
    if (length < 2 || at + 2 + length > bytes.length) return undefined
    if (isFrame(marker)) {
      if (length < 8) return undefined
      size = { heightPx: bytes.readUInt16BE(at + 5), widthPx: bytes.readUInt16BE(at + 7) }
    }
    // Entropy-coded data begins behind this one.
    if (marker === 0xda) break
    at += 2 + length
  }
  if (!size || size.widthPx < 1 || size.heightPx < 1) return undefined
  return size.widthPx <= MAX_SIDE_PX && size.heightPx <= MAX_SIDE_PX ? size : undefined
}

/** The usable pictures of one `MotorVehicle`, the first ones within the limits, and how many could not be used. */
export function readPictures(
  subImageList: unknown,
  limits: PictureLimits,
): { pictures: PassagePicture[]; unusable: number } {
  const list = isGroup(subImageList)
    ? Object.entries(subImageList).find(([name]) => name.toLowerCase() === 'subimageinfoobject')?.[1]
    : subImageList
  const found: { pictures: PassagePicture[]; unusable: number } = { pictures: [], unusable: 0 }
  for (const item of Array.isArray(list) ? list : []) {
    const data = isGroup(item)
      ? Object.entries(item).find(([name]) => name.toLowerCase() === 'data')?.[1]
      : undefined
    // A picture may be left out and only named by a path on the device.
    if (typeof data !== 'string' || data === '') continue
    const picture = found.pictures.length < limits.count ? decodePicture(data, limits.bytes) : undefined
    if (picture) found.pictures.push(picture)
    else found.unusable += 1
  }
  return found
}

function decodePicture(data: string, maxBytes: number): PassagePicture | undefined {
  // Four characters for three bytes; line breaks may add a little.
  if (data.length > maxBytes * 1.5) return undefined
  const jpeg = Buffer.from(data, 'base64')
  if (jpeg.length > maxBytes) return undefined
  const size = jpegSize(jpeg)
  return size && { jpeg, ...size }
}
