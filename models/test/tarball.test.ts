import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readTarball } from '../tarball.ts'

const LONG =
  'package/a-folder-with-a-rather-long-name/that-makes-the-path/longer-than-a-hundred-characters/than-fits.txt'
let folder: string
let archive: Buffer

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-tar-'))
  mkdirSync(join(folder, LONG, '..'), { recursive: true })
  writeFileSync(join(folder, LONG), 'long')
  writeFileSync(join(folder, 'package', 'data.bin'), Buffer.alloc(1234, 7))
  writeFileSync(join(folder, 'package', 'empty'), '')
  archive = execFileSync('tar', ['-cz', '--format=ustar', '-C', folder, 'package'])
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('reading a tarball that tar wrote', () => {
  it('returns the wanted files and no others', () => {
    const files = readTarball(archive, ['package/data.bin', 'package/empty', LONG])
    expect([...files.keys()].toSorted()).toEqual([LONG, 'package/data.bin', 'package/empty'].toSorted())
    expect(Buffer.compare(files.get('package/data.bin')!, Buffer.alloc(1234, 7))).toBe(0)
    expect(files.get('package/empty')!.length).toBe(0)
    expect(Buffer.from(files.get(LONG)!).toString()).toBe('long')
  })

  it('says which file is missing', () => {
    expect(() => readTarball(archive, ['package/data.bin', 'package/other'])).toThrow(
      'does not hold package/other',
    )
  })

  it('refuses an archive that is cut, compressed or not', () => {
    expect(() => readTarball(archive.subarray(0, archive.length / 2), ['package/empty'])).toThrow()
    const cut = gzipSync(gunzipSync(archive).subarray(0, 1024))
    expect(() => readTarball(cut, ['package/data.bin'])).toThrow()
    expect(() => readTarball(gzipSync(Buffer.alloc(2048, 'x')), ['package/data.bin'])).toThrow('damaged')
  })
})
