/** The kinds of content that are kept, told by their first bytes: what a sender calls it is not believed. */
export type ContentKind = 'image/jpeg' | 'image/png' | 'image/webp' | 'video/mp4'

/** What edges send. */
export const EDGE_KINDS: readonly ContentKind[] = ['image/jpeg', 'video/mp4']
/** What patrollers send. */
export const PHOTO_KINDS: readonly ContentKind[] = ['image/jpeg', 'image/png', 'image/webp']

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const JPEG = Buffer.from([0xff, 0xd8, 0xff])

/**
 * The kind by the first 16 bytes, or `undefined`. JPEG: SOI and the next marker (ITU-T T.81 B.1); PNG: its signature
 * (ISO/IEC 15948 5.2); WebP: RIFF with form WEBP (RFC 9649 2.4); MP4: a leading `ftyp` box (ISO/IEC 14496-12 4.3).
 */
export function kindOf(head: Buffer): ContentKind | undefined {
  if (head.subarray(0, 3).equals(JPEG)) return 'image/jpeg'
  if (head.subarray(0, 8).equals(PNG)) return 'image/png'
  if (head.toString('latin1', 0, 4) === 'RIFF' && head.toString('latin1', 8, 12) === 'WEBP')
    return 'image/webp'
  if (head.toString('latin1', 4, 8) === 'ftyp') return 'video/mp4'
  return undefined
}
