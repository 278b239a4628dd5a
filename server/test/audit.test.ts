import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type People, startPeople } from './support/people.ts'

let hub: People
beforeAll(async () => {
  hub = await startPeople()
})
afterAll(() => hub.close())

const append = (action: string, detail: Record<string, unknown> = {}) =>
  hub.relational.write
    .transaction()
    .execute((trx) => hub.audit.append(trx, { actor: undefined, action, subject: 's', detail }))

describe('the record', () => {
  it('is one chain however many write at once, and keeps nothing of a transaction that failed', async () => {
    await Promise.all(Array.from({ length: 30 }, (_, index) => append('thing.done', { index })))
    const failed = hub.relational.write.transaction().execute(async (trx) => {
      await hub.audit.append(trx, { actor: undefined, action: 'never.happened', subject: 's', detail: {} })
      throw new Error('no')
    })
    await expect(failed).rejects.toThrow('no')
    expect(await hub.audit.verify()).toMatchObject({ ok: true, entries: 30 })
  })

  it.each([
    ['actor_name', 'somebody else'],
    ['action', 'thing.undone'],
    ['subject', 'other'],
    ['detail', '{"index":99}'],
    ['detail', 'not json'],
    ['at_ms', 1],
  ] as const)('shows an edit of %s, naming the entry', async (column, value) => {
    const row = await hub.relational.read
      .selectFrom('audit')
      .selectAll()
      .where('seq', '=', 7)
      .executeTakeFirstOrThrow()
    await hub.relational.write
      .updateTable('audit')
      .set({ [column]: value })
      .where('seq', '=', 7)
      .execute()
    expect(await hub.audit.verify()).toMatchObject({ ok: false, seq: 7 })
    await hub.relational.write
      .updateTable('audit')
      .set({ [column]: row[column] })
      .where('seq', '=', 7)
      .execute()
    expect(await hub.audit.verify()).toMatchObject({ ok: true })
  })

  it('shows a missing entry', async () => {
    const row = await hub.relational.read
      .selectFrom('audit')
      .selectAll()
      .where('seq', '=', 9)
      .executeTakeFirstOrThrow()
    await hub.relational.write.deleteFrom('audit').where('seq', '=', 9).execute()
    expect(await hub.audit.verify()).toMatchObject({ ok: false, seq: 9 })
    await hub.relational.write.insertInto('audit').values(row).execute()
  })

  it('is read by those who may, of people inside their scope; the hub itself by those responsible for all', async () => {
    const [root, county, other] = [
      await hub.person('auditor', '4105'),
      await hub.person('supervisor', '410502'),
      await hub.person('supervisor', '410503'),
    ]
    for (const who of [county, other]) await hub.ask(who, 'DELETE', '/api/session')
    const read = async (who: typeof root) => {
      const session = await hub.openSession(who.userId)
      return (await hub.ask({ ...who, ...session }, 'GET', '/api/audit?limit=500')).json.items
    }
    const subjects = (items: { subject: string }[]) => new Set(items.map((item) => item.subject))
    expect(subjects(await read(county))).toEqual(new Set([`user:${county.userId}`]))
    expect(subjects(await read(other))).toEqual(new Set([`user:${other.userId}`]))
    expect(subjects(await read(root))).toEqual(
      new Set(['s', `user:${county.userId}`, `user:${other.userId}`]),
    )
    expect((await hub.ask(await hub.person('operator', '4105'), 'GET', '/api/audit')).status).toBe(403)
  })

  it('is paged, newest first', async () => {
    const auditor = await hub.person('auditor', '4105')
    const seqs: number[] = []
    let before: string | undefined
    do {
      const { json } = await hub.ask(auditor, 'GET', `/api/audit?limit=7${before ? `&before=${before}` : ''}`)
      seqs.push(...json.items.map((item: { seq: number }) => item.seq))
      before = json.next
    } while (before)
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => seqs.length - index))
  })
})
