import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockDataFolder } from './data-folder.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-folder-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the data folder', () => {
  it('is made for its owner only, and is one hub’s at a time', () => {
    const path = join(folder, 'deep', 'hub')
    const locked = lockDataFolder(path)
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(() => lockDataFolder(path)).toThrow(
      expect.objectContaining({ code: 'HUB_LOCKED', message: expect.stringContaining(`${process.pid}`) }),
    )
    locked.release()
    lockDataFolder(path).release()
  })

  it('with a lock that is none is not taken for a running hub', () => {
    writeFileSync(join(folder, 'hub.lock'), 'no lock '.repeat(1000))
    expect(() => lockDataFolder(folder)).toThrow(
      expect.objectContaining({ code: 'HUB_DATA_DIR', message: expect.stringContaining('hub.lock') }),
    )
  })
})
