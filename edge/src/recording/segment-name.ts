/** Names of recorded segments: everything that is known of one without opening it. Pure. */
import type { CompressedClip } from '../capture/compressed.ts'

export type Container = CompressedClip['container']

export interface SegmentName {
  /** Wall clock of its first picture. */
  startedAtMs: number
  /** Which connection to the camera it belongs to: pictures of one share a clock and can be played in one piece. */
  streamId: string
  /** Stream clock of its first picture. */
  firstPtsMs: number
  container: Container
  /** True while it is being written; a crash leaves it so. */
  isUnfinished: boolean
}

const ENDINGS: Readonly<Record<Container, string>> = { flv: 'flv', mpegts: 'ts' }
const PATTERN = /^(\d{1,16})_([0-9a-z]{1,40})_(\d{1,16})\.(flv|ts)(\.part)?$/

export function formatSegmentName(name: SegmentName): string {
  const { startedAtMs, streamId, firstPtsMs, container, isUnfinished } = name
  return `${startedAtMs}_${streamId}_${firstPtsMs}.${ENDINGS[container]}${isUnfinished ? '.part' : ''}`
}

/** `undefined` for a file that is none of ours. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = PATTERN.exec(name)
  if (!match) return undefined
  return {
    startedAtMs: Number(match[1]),
    streamId: match[2]!,
    firstPtsMs: Number(match[3]),
    container: match[4] === 'flv' ? 'flv' : 'mpegts',
    isUnfinished: match[5] !== undefined,
  }
}
