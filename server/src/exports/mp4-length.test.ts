import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { mp4LengthMs } from './mp4-length.ts'

const folder = mkdtempSync(join(tmpdir(), 'patrolhub-mp4-'))
const file = join(folder, 'clip.mp4')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function box(kind: string, ...content: Buffer[]): Buffer {
  const size = 8 + content.reduce((sum, part) => sum + part.length, 0)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(size)
  head.write(kind, 4, 'latin1')
  return Buffer.concat([head, ...content])
}
function movieHeader(version: 0 | 1, scale: number, duration: number): Buffer {
  const content = Buffer.alloc(100)
  content[0] = version
  content.writeUInt32BE(scale, version === 1 ? 20 : 12)
  if (version === 1) content.writeBigUInt64BE(BigInt(duration), 24)
  else content.writeUInt32BE(duration, 16)
  return box('mvhd', content)
}

it('reads the length of either version, before or behind the pictures', async () => {
  const pictures = box('mdat', Buffer.alloc(5000, 7))
  for (const version of [0, 1] as const) {
    const movie = box('moov', box('free', Buffer.alloc(3)), movieHeader(version, 90_000, 225_000))
    for (const parts of [
      [movie, pictures],
      [pictures, movie],
    ]) {
      writeFileSync(file, Buffer.concat([box('ftyp', Buffer.from('isom')), ...parts]))
      expect(await mp4LengthMs(file)).toBe(2500)
    }
  }
})

it('finds none in arbitrary bytes, and comes to an end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      writeFileSync(file, bytes)
      const lengthMs = await mp4LengthMs(file)
      expect(lengthMs === undefined || lengthMs >= 0).toBe(true)
    }),
    { numRuns: 50 },
  )
})
