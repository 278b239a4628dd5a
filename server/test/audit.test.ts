import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { alertRecord, incidentOf, type People, startPeople } from './support/people.ts'
import { addGrant, cameraOf } from './support/record.ts'

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
    const searched = 'audit:record'
    expect(subjects(await read(county))).toEqual(new Set([`user:${county.userId}`, searched]))
    expect(subjects(await read(other))).toEqual(new Set([`user:${other.userId}`, searched]))
    expect(subjects(await read(root))).toEqual(
      new Set(['s', `user:${county.userId}`, `user:${other.userId}`, searched]),
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

  it('is searched by person, kind, camera, incident and time', async () => {
    const auditor = await hub.person('auditor', '4105')
    const { userId, username } = await hub.person('operator', '410502')
    const actor = { userId, displayName: `Name of ${username}` }
    const edge = await hub.edge('4105')
    const camera = cameraOf(edge.edgeId, { name: 'Zhongzhou 50% Gate' })
    await hub.relational.write.insertInto('device').values(camera).execute()
    const [outcome] = await hub.ingest(edge, alertRecord('410502003'))
    const incidentId = incidentOf(outcome)
    const grantId = await addGrant(hub.relational, { userId, cameraId: camera.device_id, incidentId })
    const beganMs = Date.now()
    await hub.relational.write.transaction().execute(async (trx) => {
      const subject = `camera:${camera.device_id}`
      await hub.audit.append(trx, { actor, action: 'grant.given', subject, detail: { grantId } })
      await hub.audit.append(trx, { actor, action: 'grant.given', subject, detail: { grantId: 'other' } })
      await hub.audit.append(trx, {
        actor,
        action: 'incident.moved',
        subject: `incident:${incidentId}`,
        detail: {},
      })
    })
    const actions = async (query: string) => {
      const { json, status } = await hub.ask(auditor, 'GET', `/api/audit?${query}`)
      expect(status).toBe(200)
      return json.items.map(({ action }: { action: string }) => action).toReversed()
    }
    const all = ['grant.given', 'grant.given', 'incident.moved']
    expect(await actions(`person=${username.toUpperCase()}`)).toEqual(all)
    expect(await actions(`person=${username}&kind=grant`)).toEqual(['grant.given', 'grant.given'])
    expect(await actions(`person=${username}&kind=incident.moved`)).toEqual(['incident.moved'])
    expect(await actions(`camera=${encodeURIComponent('0% gate')}`)).toEqual(['grant.given', 'grant.given'])
    expect(await actions(`camera=${camera.device_id}`)).toEqual(['grant.given', 'grant.given'])
    expect(await actions(`camera=${encodeURIComponent('5_ gate')}`)).toEqual([])
    expect(await actions(`incident=${incidentId}&person=${username}`)).toEqual([
      'grant.given',
      'incident.moved',
    ])
    expect(await actions(`person=${username}&fromMs=${beganMs}&toMs=${Date.now() + 1}`)).toEqual(all)
    expect(await actions(`person=${username}&toMs=${beganMs}`)).toEqual([])
    expect(await actions('person=nobody-of-this-name')).toEqual([])
    expect(await actions('incident=unknown')).toEqual([])
    expect(await actions('person=system&kind=thing')).toHaveLength(30)
    expect((await hub.ask(auditor, 'GET', '/api/audit?kind=DROP')).status).toBe(400)
    const searches = await actions('kind=audit.searched&limit=500')
    expect(searches.length).toBeGreaterThan(10)
    expect(await actions('kind=audit.searched&limit=500'), 'asked again it is the same search').toHaveLength(
      searches.length,
    )
  })

  it('is taken out as CSV that no spreadsheet takes for formulas and as JSON Lines, on the record', async () => {
    const auditor = await hub.person('auditor', '4105')
    await hub.relational.write.transaction().execute((trx) =>
      hub.audit.append(trx, {
        actor: { userId: auditor.userId, displayName: '=HYPERLINK("x")' },
        action: 'csv.made',
        subject: 'a "quoted", one',
        detail: { 中: '\n' },
      }),
    )
    const csv = await hub.ask(auditor, 'GET', '/api/audit/export?format=csv&kind=csv')
    expect(csv.headers.get('content-disposition')).toBe('attachment; filename="record.csv"')
    expect(csv.bytes.toString('utf8')).toMatch(
      /^\ufeffseq,time,actor,action,subject,detail,hash\n\d+,[\d-]+ [\d:]+,"'=HYPERLINK\(""x""\)",csv\.made,"a ""quoted"", one",/,
    )
    const jsonl = await hub.ask(auditor, 'GET', '/api/audit/export?format=jsonl&kind=csv')
    expect(JSON.parse(jsonl.bytes.toString('utf8'))).toMatchObject({
      action: 'csv.made',
      detail: { 中: '\n' },
    })
    const { json } = await hub.ask(auditor, 'GET', '/api/audit?kind=audit.exported')
    expect(json.items[0]).toMatchObject({
      subject: 'audit:record',
      detail: { format: 'jsonl', rows: 1, kind: 'csv' },
    })
  })
})
