import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { AlertRecord, JournalRecord, ReadingRecord } from '@patrolhub/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EdgeError } from '../../src/errors.ts'
import { Journal } from '../../src/journal/journal.ts'
import { JournalFile } from '../../src/journal/journal-file.ts'
import { waitFor } from '../support/wait.ts'

const log = pino({ level: 'silent' })
const MAX_BYTES = 64 * 1024 ** 2
const ALL = { limit: 1000, maxBytes: MAX_BYTES }

let dataDir: string
let open: Journal[]
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'patrolhub-journal-'))
  open = []
})
afterEach(async () => {
  for (const journal of open) await journal.close()
  rmSync(dataDir, { recursive: true, force: true })
})

async function start(): Promise<Journal> {
  const journal = new Journal({ dataDir, maxBytes: MAX_BYTES, log })
  await journal.start()
  open.push(journal)
  return journal
}

const reading = (value: number): ReadingRecord => ({
  kind: 'reading',
  atMs: 1_760_000_000_000,
  deviceId: 's1',
  region: '4105',
  quantity: 'smoke',
  value,
  unit: '',
})
const alert = { kind: 'alert', facts: {}, reason: 'x' } as unknown as AlertRecord
const values = (payloads: string[]) => payloads.map((payload) => (JSON.parse(payload) as ReadingRecord).value)

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof EdgeError ? error.code : String(error)
}

describe('the journal', () => {
  it('numbers each stream on its own, in the order of the calls', async () => {
    const journal = await start()
    const appended = await Promise.all([
      journal.append(reading(1)),
      journal.append(alert),
      journal.append(reading(2)),
      journal.append(alert),
    ])
    expect(appended).toEqual([
      { stream: 'measurements', seq: 1 },
      { stream: 'alerts', seq: 1 },
      { stream: 'measurements', seq: 2 },
      { stream: 'alerts', seq: 2 },
    ])
    expect(values((await journal.read('measurements', 1, ALL)).payloads)).toEqual([1, 2])
    expect(journal.bounds('alerts')).toEqual({ firstSeq: 1, lastSeq: 2 })
  })

  it('goes on in the same epoch and with the next number after a restart, also when everything was truncated', async () => {
    const first = await start()
    await first.appendAll([reading(1), reading(2), reading(3)])
    first.truncate('measurements', 3)
    await first.append(alert)
    const { epoch } = first
    await first.close()

    const second = await start()
    expect(second.epoch).toBe(epoch)
    expect(second.bounds('measurements')).toEqual({ firstSeq: 4, lastSeq: 3 })
    expect(await second.append(reading(4))).toEqual({ stream: 'measurements', seq: 4 })
  })

  it('reads by number, at most so many records and bytes, but at least one', async () => {
    const journal = await start()
    await journal.appendAll(Array.from({ length: 20 }, (_, index) => reading(index)))
    expect(values((await journal.read('measurements', 5, { limit: 3, maxBytes: 1e6 })).payloads)).toEqual([
      4, 5, 6,
    ])
    expect((await journal.read('measurements', 5, { limit: 9, maxBytes: 1 })).payloads).toHaveLength(1)
    expect((await journal.read('measurements', 21, ALL)).payloads).toEqual([])
  })

  it('declares what was truncated when it is asked for again', async () => {
    const journal = await start()
    await journal.appendAll([reading(1), reading(2), reading(3)])
    journal.truncate('measurements', 2)
    await journal.append(reading(4))
    const slice = await journal.read('measurements', 1, ALL)
    expect(slice.firstSeq).toBe(3)
    expect(slice.lost).toMatchObject({ fromSeq: 1, toSeq: 2 })
    expect(values(slice.payloads)).toEqual([3, 4])
  })

  it('gives up measurements that are too old, over a restart too, declares them, and keeps every alert', () => {
    const MINUTE = 60_000
    let nowMs = 1_760_000_000_000
    const limits = { maxBytes: MAX_BYTES, maxAgeMs: 60 * MINUTE, now: () => nowMs }
    let file = new JournalFile(dataDir, limits)
    for (let minute = 1; minute <= 90; minute++) {
      const records = [{ stream: 'measurements' as const, payload: String(minute) }]
      file.commit(minute === 1 ? [{ stream: 'alerts', payload: '"old"' }, ...records] : records)
      if (minute === 45) {
        file.close()
        file = new JournalFile(dataDir, limits)
      }
      nowMs += MINUTE
    }
    const { bounds, dropped } = file.state()
    expect(dropped.alerts).toBe(0)
    expect(bounds.alerts).toEqual({ firstSeq: 1, lastSeq: 1 })
    // A mark a minute: right to a minute or two.
    expect(dropped.measurements).toBeGreaterThanOrEqual(28)
    expect(dropped.measurements).toBeLessThanOrEqual(30)
    const slice = file.read('measurements', 1, ALL)
    expect(slice.payloads[0]).toBe(String(dropped.measurements + 1))
    expect(slice.lost).toMatchObject({ fromSeq: 1, toSeq: dropped.measurements })
    // A clock that is set back gives up nothing that is not old, and goes on.
    nowMs -= 600 * MINUTE
    file.commit([{ stream: 'measurements', payload: '91' }])
    expect(file.state().dropped.measurements).toBe(dropped.measurements)
    file.close()
  })

  it('gives up the oldest measurements when it is full, never alerts while measurements are left, and counts them', () => {
    const file = new JournalFile(dataDir, { maxBytes: 1024 * 1024 })
    const wide = 'x'.repeat(1000)
    file.commit([{ stream: 'alerts', payload: '"first"' }])
    let written = 0
    for (let round = 0; round < 50; round++) {
      file.commit(
        Array.from({ length: 100 }, () => ({ stream: 'measurements', payload: `"${wide}"` }) as const),
      )
      written += 100
    }
    const { bounds, dropped, bytes } = file.state()
    expect(bytes).toBeLessThanOrEqual(1024 * 1024)
    expect(dropped.measurements).toBeGreaterThan(3000)
    expect(dropped.alerts).toBe(0)
    expect(bounds.measurements).toEqual({ firstSeq: dropped.measurements + 1, lastSeq: written })
    const slice = file.read('measurements', 7, { limit: 1, maxBytes: 1e6 })
    expect(slice.lost).toEqual({
      fromSeq: 7,
      toSeq: dropped.measurements,
      reason: 'the oldest records were given up: the journal was full, or they were too old',
    })

    // Only alerts are left to give up: the newest stay.
    for (let round = 0; round < 30; round++) {
      file.commit(Array.from({ length: 100 }, () => ({ stream: 'alerts', payload: `"${wide}"` }) as const))
    }
    expect(file.state().dropped.alerts).toBeGreaterThan(1000)
    expect(file.state().bounds.alerts.lastSeq).toBe(3001)
    file.close()
  })

  it('deletes a large backlog in parts, and gives the space back', async () => {
    const journal = await start()
    const unit = 'x'.repeat(200)
    for (let round = 0; round < 8; round++) {
      await journal.appendAll(Array.from({ length: 10_000 }, (_, index) => ({ ...reading(index), unit })))
    }
    const { bytes } = journal.stats()
    journal.truncate('measurements', 79_000)
    await journal.append(reading(1))
    const { firstSeq } = journal.bounds('measurements')
    expect(firstSeq, 'an append does not wait for all of it').toBeLessThan(79_001)
    await waitFor('all is deleted', () => journal.bounds('measurements').firstSeq === 79_001)
    expect(journal.bounds('measurements').lastSeq).toBe(80_001)
    await journal.close()
    const file = new JournalFile(dataDir, { maxBytes: MAX_BYTES })
    for (let call = 0; call < 20; call++) file.shrink()
    file.close()
    // Some 4,096 free pages may stay.
    expect(statSync(join(dataDir, 'journal.sqlite')).size).toBeLessThan(bytes - 2_000_000)
  })

  it('begins a new epoch with the records that are left, numbered from 1', async () => {
    const journal = await start()
    await journal.appendAll([reading(1), reading(2), reading(3), reading(4)])
    journal.truncate('measurements', 2)
    await journal.append(reading(5))
    const { epoch } = journal
    await journal.renewEpoch()
    expect(journal.epoch).not.toBe(epoch)
    expect(journal.bounds('measurements')).toEqual({ firstSeq: 1, lastSeq: 3 })
    expect(values((await journal.read('measurements', 1, ALL)).payloads)).toEqual([3, 4, 5])
    expect(await journal.append(reading(6))).toEqual({ stream: 'measurements', seq: 4 })
  })

  it('refuses a record that would not fit into a message, and goes on', async () => {
    const journal = await start()
    const huge = { ...reading(1), unit: 'x'.repeat(300_000) }
    expect(await codeOf(journal.append(huge as JournalRecord))).toBe('EDGE_RECORD_TOO_LARGE')
    expect((await journal.append(reading(2))).seq).toBe(1)
  })

  it('takes all records of a message or none, so that one sent again is not kept in part', async () => {
    const journal = await start()
    const tooLarge = { ...reading(2), unit: 'x'.repeat(300_000) }
    expect(await codeOf(journal.appendAll([reading(1), tooLarge]))).toBe('EDGE_RECORD_TOO_LARGE')
    const waiting = Array.from({ length: 19_999 }, (_, index) => journal.append(reading(index)))
    expect(await codeOf(journal.appendAll([reading(1), reading(2)]))).toBe('EDGE_JOURNAL_FULL')
    await Promise.all(waiting)
    expect(journal.bounds('measurements').lastSeq).toBe(19_999)
  })

  it('keeps what was appended before close, and refuses what comes after', async () => {
    const journal = await start()
    const appended = journal.append(reading(1))
    await journal.close()
    expect((await appended).seq).toBe(1)
    expect(await codeOf(journal.append(reading(2)))).toBe('EDGE_JOURNAL_CLOSED')
  })

  it('refuses a second edge on the same folder, and lets it in when the first has gone', async () => {
    const first = await start()
    const second = new Journal({ dataDir, maxBytes: MAX_BYTES, log })
    expect(await codeOf(second.start())).toBe('EDGE_DATA_IN_USE')
    await first.append(reading(1))
    await first.close()
    expect((await (await start()).append(reading(2))).seq).toBe(2)
  })

  it('refuses a foreign, a newer and a half-written file, each with its reason', async () => {
    const path = join(dataDir, 'journal.sqlite')
    const failure = async () => {
      const error = await new Journal({ dataDir, maxBytes: MAX_BYTES, log }).start().catch((e: unknown) => e)
      return error instanceof EdgeError ? `${error.code}: ${error.message}` : String(error)
    }
    writeFileSync(path, 'this is no database, but it is long enough to be looked at as one'.repeat(100))
    expect(await failure()).toMatch(/^EDGE_JOURNAL_FILE: .*journal\.sqlite/)

    rmSync(path)
    const foreign = new DatabaseSync(path)
    foreign.exec('CREATE TABLE theirs (a)')
    foreign.close()
    expect(await failure()).toMatch(/^EDGE_JOURNAL_FILE: .*another program/)

    rmSync(path)
    const journal = await start()
    await journal.appendAll(Array.from({ length: 5000 }, (_, index) => reading(index)))
    await journal.close()
    const whole = new DatabaseSync(path)
    whole.exec('PRAGMA user_version = 99')
    whole.close()
    expect(await failure()).toMatch(/^EDGE_JOURNAL_FILE: .*version 99/)

    const older = new DatabaseSync(path)
    older.exec('PRAGMA user_version = 1')
    older.close()
    truncateSync(path, Math.floor(statSync(path).size / 2))
    expect(await failure()).toMatch(/^EDGE_JOURNAL_FILE/)
  })

  it('makes a file again whose making was cut short', async () => {
    writeFileSync(join(dataDir, 'journal.sqlite'), '')
    expect((await (await start()).append(reading(1))).seq).toBe(1)
  })

  it('says which folder it cannot use', async () => {
    writeFileSync(join(dataDir, 'file'), '')
    const journal = new Journal({ dataDir: join(dataDir, 'file'), maxBytes: MAX_BYTES, log })
    expect(await codeOf(journal.start())).toBe('EDGE_DISK')
  })
})

describe('the journal of an edge that is killed', () => {
  it('holds every record that was acknowledged, once and in order', async () => {
    let known = 0
    for (let round = 0; round < 5; round++) {
      const child = spawn(
        process.execPath,
        [fileURLToPath(new URL('append-until-killed.ts', import.meta.url)), dataDir],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      let output = ''
      const enough = new Promise<void>((resolve) => {
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          output += text
          if (output.length > 2000 * (round + 1)) resolve()
        })
      })
      await enough
      child.kill('SIGKILL')
      await once(child, 'close')
      const acknowledged = output
        .slice(0, output.lastIndexOf('\n'))
        .split('\n')
        .map((line) => line.split(' ').map(Number) as [number, number])
      expect(acknowledged.length).toBeGreaterThan(100)

      const file = new JournalFile(dataDir, { maxBytes: MAX_BYTES })
      const { lastSeq } = file.state().bounds.measurements
      const stored = values(file.read('measurements', 1, { limit: 1e6, maxBytes: 1e9 }).payloads)
      file.close()
      expect(stored).toHaveLength(lastSeq)
      for (const [seq, value] of acknowledged) {
        expect(seq).toBeGreaterThan(known)
        expect(stored[seq - 1]).toBe(value)
      }
      known = lastSeq
    }
  })
})
