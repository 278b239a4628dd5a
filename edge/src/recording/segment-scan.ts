/**
 * Reads a recorded segment again after a restart: where its groups of pictures are, and how far it is whole. A power
 * cut leaves a file that ends inside a picture or in zeros; what comes before that is as good as ever.
 */
import { open } from 'node:fs/promises'
import type { CompressedUnit, PictureSink } from '../capture/compressed.ts'
import { FlvFeed } from '../capture/flv-feed.ts'
import { TsFeed } from '../capture/ts-feed.ts'
import type { Container } from './segment-name.ts'

/** From a key frame to the next one. */
export interface Group {
  /** Stream clock of the key frame. */
  ptsMs: number
  offset: number
}

export interface SegmentContent {
  /** Bytes before the first picture. */
  headBytes: number
  groups: Group[]
  lastPtsMs: number
  /** Length of what is whole; 0 if there is no picture. */
  bytes: number
}

/** Small, because a feed gives nothing of a chunk that it cannot understand to the end. */
const CHUNK_BYTES = 1024
const READ_BYTES = 256 * 1024

/** Rejects only if the file cannot be read. */
export async function scanSegment(path: string, container: Container): Promise<SegmentContent> {
  const content: SegmentContent = { headBytes: 0, groups: [], lastPtsMs: 0, bytes: 0 }
  const sink: PictureSink = {
    take: (unit, _container, head) => addUnit(content, unit, head),
    end: () => undefined,
  }
  // No picture has to be held here: the cache would only cost memory.
  const feed = container === 'flv' ? new FlvFeed({ maxCacheBytes: 0 }) : new TsFeed(0)
  feed.record(sink)
  const file = await open(path, 'r')
  try {
    for (;;) {
      // A buffer of its own each time: a feed may keep parts of it.
      const { bytesRead, buffer } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES)
      if (bytesRead === 0) break
      for (let at = 0; at < bytesRead; at += CHUNK_BYTES) {
        feed.push(buffer.subarray(at, Math.min(bytesRead, at + CHUNK_BYTES)))
      }
    }
  } catch (error) {
    // What cannot be understood is where the segment ends.
    if ((error as { code?: string }).code?.startsWith('EDGE_') !== true) throw error
  } finally {
    await file.close()
  }
  return content
}

function addUnit(
  content: SegmentContent,
  { ptsMs, isKeyFrame, bytes }: CompressedUnit,
  head: readonly Buffer[],
): void {
  if (content.bytes === 0) {
    content.headBytes = head.reduce((sum, part) => sum + part.length, 0)
    content.bytes = content.headBytes
  }
  if (isKeyFrame) content.groups.push({ ptsMs, offset: content.bytes })
  content.bytes += bytes.length
  content.lastPtsMs = Math.max(content.lastPtsMs, ptsMs)
}
