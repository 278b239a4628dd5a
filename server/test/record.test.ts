/** Seals over the record in the store: when they are made, what stops them, keys that change; and the export. */
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRelational } from '../src/adapters/relational/open.ts'
import { auditFeature } from '../src/audit/audit-feature.ts'
import { verifyFile, writeRecord } from '../src/audit/record-file.ts'
import { Sealer } from '../src/audit/sealer.ts'
import { type HubConfig, loadConfig } from '../src/config.ts'
import { silent } from './support/hub.ts'
import { engineEnv } from './support/postgres.ts'

const MINUTE_MS = 60_000

let hub: Awaited<ReturnType<typeof openStore>>
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-record-'))
  hub = await openStore()
})
afterEach(async () => {
  await hub?.relational.close()
  await rm(folder, { recursive: true, force: true })
})

/** What the record is kept in, and nothing else of a hub. */
async function openStore() {
  const config = loadConfig({ env: { PATROLHUB_DATA_DIR: folder, ...(await engineEnv()) } })
  const relational = await openRelational(config, silent)
  const clock = { offsetMs: 0 }
  const now = () => Date.now() + clock.offsetMs
  return { config, relational, clock, audit: auditFeature({ config, relational, now }) }
}

const sealerOf = (more: Partial<HubConfig> = {}) =>
  new Sealer({
    config: { ...hub.config, sealEveryEntries: 5, sealEveryMinutes: 10, ...more },
    relational: hub.relational,
    audit: hub.audit,
    log: silent,
    now: () => Date.now() + hub.clock.offsetMs,
  })

const append = async (count = 1) => {
  for (let index = 0; index < count; index++) {
    await hub.relational.write
      .transaction()
      .execute((trx) =>
        hub.audit.append(trx, { actor: undefined, action: 'thing.done', subject: 's', detail: { index } }),
      )
  }
}
const seals = () => hub.relational.read.selectFrom('audit_seal').selectAll().orderBy('seal_no').execute()
const change = (seq: number, subject: string) =>
  hub.relational.write.updateTable('audit').set({ subject }).where('seq', '=', seq).execute()

describe('seals', () => {
  it('are made when enough entries wait, or one has waited for long enough, and not else', async () => {
    const sealer = sealerOf()
    await sealer.sealIfDue()
    await append(4)
    await sealer.sealIfDue()
    expect(await seals()).toEqual([])
    expect(await sealer.unsealed()).toBe(4)
    await append()
    await sealer.sealIfDue()
    expect((await seals()).map(({ seq }) => seq)).toEqual([5])
    await append()
    hub.clock.offsetMs = 9 * MINUTE_MS
    await sealer.sealIfDue()
    expect(await seals()).toHaveLength(1)
    hub.clock.offsetMs = 11 * MINUTE_MS
    await sealer.sealIfDue()
    expect((await seals()).map(({ seq }) => seq)).toEqual([5, 6])
    await sealer.sealIfDue()
    expect(await seals()).toHaveLength(2)
    expect(await hub.audit.verify()).toMatchObject({ ok: true, seals: 2, lastSeal: { seq: 6 } })
  })

  it('by two hubs at once are one chain', async () => {
    const [one, other] = [sealerOf(), sealerOf()]
    for (let round = 0; round < 5; round++) {
      await append(3)
      await Promise.all([one.seal(), other.seal(), append(2), one.seal(), other.seal()])
    }
    await one.seal()
    expect(await hub.audit.verify()).toMatchObject({
      ok: true,
      entries: 25,
      lastSeal: { seq: 25 },
      keys: [{}],
    })
  })

  it('are not made over an entry that was changed, and say which; checks name it too', async () => {
    const sealer = sealerOf()
    await append(3)
    await sealer.seal()
    await append(5)
    await change(6, 'other')
    await sealer.sealIfDue()
    expect(sealer.problem).toContain('entry 6 has been changed')
    expect(await seals()).toHaveLength(1)
    await change(6, 's')
    await sealer.sealIfDue()
    expect(sealer.problem).toBe('')
    expect(await seals()).toHaveLength(2)
  })

  it('notice that the end of the record was cut off, also when it has grown again', async () => {
    const sealer = sealerOf()
    await append(6)
    await sealer.seal()
    await hub.relational.write.deleteFrom('audit').where('seq', '>', 4).execute()
    await sealer.sealIfDue()
    expect(sealer.problem).toContain('entry 6 is missing')
    expect(await hub.audit.verify()).toMatchObject({ ok: false, seq: 6, sealNo: 1 })
    await append(8)
    await sealer.sealIfDue()
    expect(sealer.problem).toContain('entry 6 is another one')
    expect(await hub.audit.verify()).toMatchObject({ ok: false, seq: 6, sealNo: 1 })
  })

  it('that are gone or changed in the store are named', async () => {
    const sealer = sealerOf()
    for (let round = 0; round < 3; round++) {
      await append()
      await sealer.seal()
    }
    const [, row] = await seals()
    await hub.relational.write.deleteFrom('audit_seal').where('seal_no', '=', 2).execute()
    expect(await hub.audit.verify()).toMatchObject({ ok: false, sealNo: 2 })
    await hub.relational.write
      .insertInto('audit_seal')
      .values({ ...row!, at_ms: row!.at_ms + 1 })
      .execute()
    expect(await hub.audit.verify()).toMatchObject({
      ok: false,
      sealNo: 2,
      reason: expect.stringContaining('signature'),
    })
  })
})

describe('the key', () => {
  const keyFile = () => join(hub.config.dataDir, 'seal.key')

  it('is changed for one that it signs, on the record, and the old one seals nothing any more', async () => {
    const sealer = sealerOf()
    await append(2)
    const old = await sealer.key()
    const oldFile = await readFile(keyFile(), 'utf8')
    const { keyId } = await sealer.rotate({ isLost: false, to: undefined })
    await append()
    await sealer.seal()
    expect(await hub.audit.verify()).toMatchObject({
      ok: true,
      seals: 2,
      lastSeal: { keyId, seq: 4 },
      keys: [{}, {}],
    })
    const entry = await hub.relational.read
      .selectFrom('audit')
      .selectAll()
      .where('seq', '=', 3)
      .executeTakeFirst()
    expect(entry).toMatchObject({ action: 'seal-key.changed', subject: `seal-key:${keyId}` })
    await writeFile(keyFile(), oldFile)
    await append()
    await expect(sealer.seal()).rejects.toMatchObject({
      code: 'HUB_SEAL_KEY',
      message: expect.stringContaining(old.keyId),
    })
  })

  it('whose change was broken off between the store and the folder is changed by the next seal', async () => {
    const sealer = sealerOf()
    await append()
    await sealer.seal()
    const oldFile = await readFile(keyFile(), 'utf8')
    const { keyId } = await sealer.rotate({ isLost: false, to: undefined })
    await rename(keyFile(), `${keyFile()}.next`)
    await writeFile(keyFile(), oldFile)
    expect(await sealer.seal()).toMatchObject({ keyId, sealNo: 2 })
    expect(await hub.audit.verify()).toMatchObject({ ok: true })
  })

  it('that is lost is not made anew by itself; by hand it begins anew, and every check says so', async () => {
    const sealer = sealerOf()
    await append()
    await sealer.seal()
    await expect(sealer.rotate({ isLost: true, to: undefined })).rejects.toThrow('without --lost')
    await rm(keyFile())
    await append()
    await expect(sealer.seal()).rejects.toThrow('put back seal.key')
    await sealer.rotate({ isLost: true, to: undefined })
    await sealer.seal()
    expect(await hub.audit.verify()).toMatchObject({
      ok: true,
      lastSeal: { sealNo: 2, seq: 3 },
      notProven: expect.arrayContaining([expect.stringContaining('key 2, from seal 2 on, begins anew')]),
    })
  })

  it('that is given by a setting is read from it, and has to be of Ed25519', async () => {
    await append()
    const sealKey = await sealerOf()
      .key()
      .then(() => readFile(keyFile(), 'utf8'))
    await rm(keyFile())
    expect(await sealerOf({ sealKey }).seal()).toMatchObject({ sealNo: 1 })
    await append()
    await expect(sealerOf({ sealKey: 'nonsense' }).seal()).rejects.toThrow(
      'PATROLHUB_SEAL_KEY is no private key',
    )
    const to = join(folder, 'next.pem')
    await expect(sealerOf({ sealKey }).rotate({ isLost: false, to: undefined })).rejects.toThrow('--out')
    const { keyId } = await sealerOf({ sealKey }).rotate({ isLost: false, to })
    await append()
    await expect(sealerOf({ sealKey }).seal()).rejects.toMatchObject({ code: 'HUB_SEAL_KEY' })
    expect(await sealerOf({ sealKey: await readFile(to, 'utf8') }).seal()).toMatchObject({ keyId })
    expect(await hub.audit.verify()).toMatchObject({ ok: true })
  })
})

describe('an export from the store', () => {
  const write = async (name: string, fromMs?: number, toMs?: number) => {
    const file = join(folder, name)
    const key = await sealerOf().key()
    const counts = await writeRecord(hub.relational.read, {
      file,
      span: { fromMs, toMs },
      key,
      nowMs: Date.now(),
    })
    return { file, counts }
  }

  it('of all, and of a span with what proves it, is checked without the store', async () => {
    const sealer = sealerOf()
    for (let round = 0; round < 6; round++) {
      hub.clock.offsetMs = round * MINUTE_MS
      await append(3)
      if (round % 2 === 1) await sealer.seal()
    }
    const begin = await hub.relational.read
      .selectFrom('audit')
      .select('at_ms')
      .where('seq', '=', 1)
      .executeTakeFirstOrThrow()
    const all = await write('all.jsonl')
    expect(await verifyFile(all.file, {})).toMatchObject({
      ok: true,
      entries: 18,
      seals: 3,
      firstSeq: 1,
      lastSeq: 18,
    })
    // Rounds 2 and 3 of the clock, and round 4 is sealed with 5.
    const part = await write('part.jsonl', begin.at_ms + 1.5 * MINUTE_MS, begin.at_ms + 3.5 * MINUTE_MS)
    expect(part.counts).toEqual({ entries: 6, firstSeq: 7, lastSeq: 12 })
    const lastSeal = await sealer.seal()
    expect(await verifyFile(part.file, { keyId: lastSeal!.keyId })).toMatchObject({
      ok: true,
      firstSeq: 7,
      lastSeq: 12,
      seals: 1,
    })
    const one = await write('one.jsonl', begin.at_ms + 3.5 * MINUTE_MS, begin.at_ms + 4.5 * MINUTE_MS)
    expect(one.counts, 'up to the seal that proves it').toEqual({ entries: 6, firstSeq: 13, lastSeq: 18 })
    await expect(write('none.jsonl', Date.now() + 9_999_999)).rejects.toMatchObject({
      code: 'HUB_AUDIT_FILE',
    })
    await expect(write('all.jsonl')).rejects.toMatchObject({ code: 'HUB_AUDIT_FILE' })
  })

  it('while others write and seal is whole', async () => {
    const sealer = sealerOf()
    await append(20)
    await sealer.seal()
    let isOver = false
    const writing = (async () => {
      while (!isOver) {
        await append(2)
        await sealer.seal()
      }
    })()
    for (let round = 0; round < 5; round++) {
      const { file } = await write(`round-${round}.jsonl`)
      expect(await verifyFile(file, {})).toMatchObject({ ok: true })
      expect(await hub.audit.verify()).toMatchObject({ ok: true })
    }
    isOver = true
    await writing
  })
})
