/** What screens are told of changes, and what they are told when they come back. */
import { type Alert, covers } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRelational } from '../src/adapters/relational/open.ts'
import { ChangeLog, changesAfter, logBounds, trimLog } from '../src/changes/changes.ts'
import { correlate } from '../src/incidents/correlate.ts'
import { silent } from './support/hub.ts'
import {
  alertRecord,
  disconnected,
  eventually,
  farewells,
  ofKind,
  type People,
  type Person,
  startPeople,
  type TestEdge,
} from './support/people.ts'

const REGION = '410502003'

let hub: People
let edge: TestEdge
let operator: Person
beforeAll(async () => {
  hub = await startPeople()
  edge = await hub.edge('4105')
  operator = await hub.person('operator', '410502')
})
afterAll(() => hub?.close())

async function alert(region = REGION): Promise<string> {
  const record = alertRecord(region, { deviceId: `cam-${Math.random()}` })
  await hub.ingest(edge, record)
  return record.alertId
}
const idsOf = (alerts: readonly Alert[]) => alerts.map(({ alertId }) => alertId)
const revision = async () => (await logBounds(hub.relational.read)).newest

describe('a screen that comes back', () => {
  it('is told what it missed inside its scope, once, and then what is new', async () => {
    const first = await hub.listen(operator)
    const seen = await alert()
    await eventually(() => idsOf(ofKind(first.heard, 'alert')).includes(seen))
    const since = first.packets.at(-1)!.revision
    first.socket.disconnect()
    const missed = [await alert(), await alert('410503001'), await alert()]
    const back = await hub.listen(operator, { since })
    const after = await alert()
    await eventually(() => idsOf(ofKind(back.heard, 'alert')).includes(after))
    expect(idsOf(ofKind(back.heard, 'alert'))).toEqual([missed[0], missed[2], after])
    expect(ofKind(back.heard, 'incident')).toHaveLength(3)
    expect(back.packets.some(({ isReset }) => isReset)).toBe(false)
    const revisions = back.packets.map((packet) => packet.revision)
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
  })

  it('misses nothing and hears nothing twice, however often it comes and goes meanwhile', async () => {
    let since = await revision()
    const heard: string[] = []
    const raised: string[] = []
    let isDone = false
    const raising = (async () => {
      for (let count = 0; count < 120; count++) raised.push(await alert())
      isDone = true
    })()
    for (let round = 0; !isDone || round < 3; round++) {
      const { socket, packets } = await hub.listen(operator, { since })
      await new Promise((resolve) => setTimeout(resolve, (round * 37) % 60))
      socket.disconnect()
      for (const packet of packets) {
        since = packet.revision
        for (const { event, payload } of packet.events) if (event === 'alert') heard.push(payload.alertId)
      }
    }
    await raising
    await hub.told()
    const last = await hub.listen(operator, { since })
    await eventually(() => last.packets.at(-1)!.revision >= since)
    heard.push(...idsOf(ofKind(last.heard, 'alert')))
    expect(heard).toEqual(raised)
  })

  it('fetches its lists again if it missed too much, if the log is too young, or if it was never here', async () => {
    const since = await revision()
    for (let count = 0; count < 5; count++) await alert()
    await hub.relational.write.transaction().execute((trx) => trimLog(trx, { sinceMs: 0, rows: 2 }))
    const late = await hub.listen(operator, { since })
    expect(late.packets.at(-1)).toMatchObject({ isReset: true, events: [] })
    const inTime = await hub.listen(operator, { since: await revision() })
    expect(inTime.packets.at(-1)!.isReset).toBeUndefined()
    const foreign = await hub.listen(operator, { since: 1_000_000_000 })
    expect(foreign.packets.at(-1)).toMatchObject({ isReset: true })
    expect(foreign.packets.at(-1)!.revision).toBe(await revision())
    const note = new ChangeLog()
    const many = Array.from({ length: 2100 }, (_, index) => `edge-${index}`)
    const before = await revision()
    await hub.relational.write.transaction().execute((trx) => note.note(trx, 'edge', many))
    await hub.told()
    expect((await hub.listen(operator, { since: before })).packets.at(-1)!.isReset).toBe(true)
  })
})

describe('changes', () => {
  it('that another hub has committed reach the screens here too', async () => {
    const { heard } = await hub.listen(operator)
    const other = await openRelational(hub.config, silent)
    try {
      const record = alertRecord(REGION)
      await other.write.transaction().execute(async (trx) => {
        await correlate(trx, [{ record, edge, receivedAtMs: Date.now() }], 300_000)
        await new ChangeLog().note(trx, 'alert', record.alertId)
      })
      await eventually(() => idsOf(ofKind(heard, 'alert')).includes(record.alertId))
    } finally {
      await other.close()
    }
  })

  it('of a transaction that was undone are told to nobody', async () => {
    const { heard } = await hub.listen(operator)
    const record = alertRecord(REGION)
    const undone = hub.relational.write.transaction().execute(async (trx) => {
      await hub.incidents.correlate(trx, [{ record, edge, receivedAtMs: Date.now() }])
      await hub.changes.note(trx, 'alert', record.alertId)
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    const told = await alert()
    await eventually(() => idsOf(ofKind(heard, 'alert')).includes(told))
    expect(idsOf(ofKind(heard, 'alert'))).toEqual([told])
  })

  it('that cannot be read are left out, and hold nobody up', async () => {
    const { heard } = await hub.listen(operator)
    const broken = await alert()
    await hub.told()
    await hub.relational.write
      .updateTable('alert')
      .set({ record: 'not json' })
      .where('alert_id', '=', broken)
      .execute()
    await hub.relational.write.transaction().execute((trx) => hub.changes.note(trx, 'alert', broken))
    const told = await alert()
    await eventually(() => idsOf(ofKind(heard, 'alert')).includes(told))
  })

  it('of a burst come in few packets, each thing once, the dispatches all', async () => {
    const watcher = await hub.listen(operator)
    const records = Array.from({ length: 400 }, (_, index) =>
      alertRecord(REGION, { deviceId: `burst-${index % 4}` }),
    )
    await hub.ingest(edge, ...records)
    await hub.told()
    await eventually(() => ofKind(watcher.heard, 'incident').length >= 4)
    const omitted = watcher.packets.reduce((sum, packet) => sum + (packet.omittedAlerts ?? 0), 0)
    expect(ofKind(watcher.heard, 'alert').length + omitted).toBe(400)
    expect(ofKind(watcher.heard, 'incident')).toHaveLength(4)
    expect(ofKind(watcher.heard, 'alert').every((one) => covers(operator.scope, one.region))).toBe(true)
  })

  it('of sessions and rights are noted for the other hubs, and what another hub ended ends here', async () => {
    const kinds = async (since: number) =>
      (await changesAfter(hub.relational.read, since, 10)).map(
        ({ kind, subjectId }) => `${kind} ${subjectId}`,
      )
    const person = await hub.person('operator', '410502')
    const before = await revision()
    hub.access.usersChanged([person.userId])
    await eventually(async () => (await kinds(before)).includes(`user ${person.userId}`))
    const ended = await hub.ask(person, 'DELETE', '/api/session')
    expect(ended.status).toBe(204)
    await eventually(async () => (await kinds(before)).includes(`session ${person.sessionHash}`))
    const elsewhere = await hub.person('operator', '410502')
    const { socket, heard } = await hub.listen(elsewhere)
    await hub.relational.write
      .transaction()
      .execute((trx) => hub.changes.note(trx, 'session', elsewhere.sessionHash, 'disabled'))
    await disconnected(socket)
    expect(farewells(heard)).toEqual(['disabled'])
  })
})
