import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { maskPlates } from '../../src/intake/plate.ts'
import { Quarantine } from '../../src/intake/quarantine.ts'
import { QuarantineFolder } from '../../src/intake/quarantine-folder.ts'

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'patrolhub-quarantine-'))
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

const folder = (secret = 'token') => new QuarantineFolder({ dataDir, secret, maxMegabytes: 1, keepHours: 24 })
const message = (deviceId: string, atMs: number) => ({
  ...{ deviceId, atMs, topic: 't' },
  refusals: [{ field: 'PassTime', reason: 'is missing' }],
})

describe('the quarantine', () => {
  it('keeps messages encrypted: nothing of a plate is on the disk, and without the token nothing can be read', async () => {
    const own = folder()
    await own.open(1000)
    await own.store(message('gate', 1000), Buffer.from('{"PlateNo":"豫E12345"}'))
    const [entry] = await own.list()
    const content = readFileSync(join(dataDir, 'quarantine', entry!.id))
    expect(content.includes('12345') || content.includes('PlateNo')).toBe(false)
    expect((await own.read(entry!.id))?.payload.toString()).toBe('{"PlateNo":"豫E12345"}')
    expect(await folder('another').read(entry!.id)).toBeUndefined()
    expect(await own.read('../quarantine/x')).toBeUndefined()
  })

  it('lets a mad device push out its own messages only, and none of the others', async () => {
    const own = folder()
    await own.open(1000)
    for (let index = 0; index < 5; index++)
      await own.store(message('calm', 1000 + index), Buffer.alloc(4000, 'c'))
    for (let index = 0; index < 150; index++)
      await own.store(message('mad', 2000 + index), Buffer.alloc(8192, 'm'))
    const entries = await own.list()
    const of = (deviceId: string) => entries.filter((each) => each.deviceId === deviceId)
    expect(of('calm')).toHaveLength(5)
    expect(of('mad').at(-1)?.atMs, 'the newest').toBe(2149)
    expect(entries.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(1024 ** 2)
  })

  it('forgets what is too old, also what an earlier run has left', async () => {
    const own = folder()
    await own.open(1000)
    await own.store(message('gate', 1000), Buffer.from('old'))
    await own.store(message('gate', 20 * 3_600_000), Buffer.from('young'))
    await folder().open(26 * 3_600_000)
    expect((await own.list()).map(({ atMs }) => atMs)).toEqual([20 * 3_600_000])
  })

  it('counts on when the disk cannot be written, and says so once', async () => {
    const logged: string[] = []
    const log = pino({}, { write: (line: string) => void logged.push(line) })
    const file = join(dataDir, 'file')
    writeFileSync(file, 'no folder')
    const broken = new Quarantine({
      dataDir: file,
      secret: 's',
      maxMegabytes: 1,
      keepHours: 1,
      log,
    })
    await broken.start()
    for (let index = 0; index < 3; index++) {
      broken.add({ deviceId: 'gate', atMs: 1, topic: 't' }, [{ field: 'a', reason: 'b' }], Buffer.from('x'))
    }
    await broken.close()
    expect(broken.refusedOf('gate')).toBe(3)
    expect(logged.filter((line) => line.includes('cannot be kept'))).toHaveLength(1)
  })
})

describe('what is shown of it', () => {
  it('hides plates', () => {
    expect(maskPlates('{"PlateNo":"豫E12345","PlateColor":"blue"}')).toBe(
      '{"PlateNo":"豫E*****","PlateColor":"blue"}',
    )
    expect(maskPlates('car 豫E·D12345 passed')).toBe('car 豫E·****** passed')
    expect(maskPlates('{"plate no":"ABC 123"}')).toBe('{"plate no":"AB*****"}')
  })
})
