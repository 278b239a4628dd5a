/**
 * H.264 in Annex B form (ITU-T H.264 annex B): in goes the file that ffmpeg wrote, out come access units in decoding
 * order, each a list of NAL units without start codes. Nothing is decoded.
 */

/** nal_unit_type, H.264 table 7-1. */
const NAL_SLICE = 1
const NAL_IDR = 5
const NAL_SEI = 6
export const NAL_SPS = 7
export const NAL_PPS = 8
const NAL_AUD = 9

export interface AccessUnit {
  /** NAL units of one picture, parameter sets included, in order. They share the memory of the file. */
  nals: Uint8Array[]
  /** True if a decoder may begin here. */
  isKey: boolean
}

export interface H264Clip {
  units: AccessUnit[]
  sps: Uint8Array
  pps: Uint8Array
}

/**
 * @throws Error if there is no parameter set, or if the first picture is not a key picture: such a file cannot be
 * played in a loop.
 */
export function parseAnnexB(bytes: Uint8Array): H264Clip {
  const units: AccessUnit[] = []
  let sps: Uint8Array | undefined
  let pps: Uint8Array | undefined
  let current: AccessUnit = { nals: [], isKey: false }
  let hasPicture = false
  const flush = () => {
    if (hasPicture) units.push(current)
    current = { nals: [], isKey: false }
    hasPicture = false
  }
  for (const nal of splitNals(bytes)) {
    const type = nal[0]! & 0x1f
    if (hasPicture && startsAccessUnit(nal, type)) flush()
    if (type === NAL_SPS) sps ??= nal
    if (type === NAL_PPS) pps ??= nal
    if (type === NAL_IDR) current.isKey = true
    if (type >= NAL_SLICE && type <= NAL_IDR) hasPicture = true
    // Delimiters say nothing that the RTP marker bit does not say.
    if (type !== NAL_AUD) current.nals.push(nal)
  }
  flush()
  if (sps === undefined || pps === undefined)
    throw new Error('The H.264 file has no parameter sets (SPS, PPS).')
  if (units[0]?.isKey !== true) throw new Error('The H.264 file does not begin with a key picture.')
  return { units, sps, pps }
}

/** H.264 7.4.1.2.3, for streams with one picture an access unit: what can only stand before the next picture. */
function startsAccessUnit(nal: Uint8Array, type: number): boolean {
  if (type === NAL_AUD || type === NAL_SPS || type === NAL_PPS || type === NAL_SEI) return true
  // first_mb_in_slice is ue(v): a leading 1 bit is the value 0, the first slice of a picture.
  return type >= NAL_SLICE && type <= NAL_IDR && (nal[1]! & 0x80) !== 0
}

/** NAL units between start codes 00 00 01; zero bytes before a start code belong to none. */
function* splitNals(bytes: Uint8Array): Generator<Uint8Array> {
  let start = -1
  for (let at = findStartCode(bytes, 0); at !== -1; at = findStartCode(bytes, at + 3)) {
    if (start !== -1) yield* trimmed(bytes, start, at)
    start = at + 3
  }
  if (start !== -1) yield* trimmed(bytes, start, bytes.length)
}

function findStartCode(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(1, from + 2); at !== -1; at = bytes.indexOf(1, at + 1)) {
    if (bytes[at - 1] === 0 && bytes[at - 2] === 0) return at - 2
  }
  return -1
}

function* trimmed(bytes: Uint8Array, start: number, end: number): Generator<Uint8Array> {
  let last = end
  while (last > start && bytes[last - 1] === 0) last -= 1
  if (last > start) yield bytes.subarray(start, last)
}
