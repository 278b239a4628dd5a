/** Viewings as auditors see them: marks, seconds and bytes also after a crash, searches inside the scope. */
import { randomUUID } from 'node:crypto'
import type { Viewing } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../src/access/principal.ts'
import { loadConfig } from '../src/config.ts'
import { Viewings } from '../src/streams/viewings.ts'
import { addGrant, cameraOf } from './support/record.ts'
import { type StreamsHub, startStreamsHub, type Viewer } from './support/streams.ts'

const MINUTE_MS = 60_000

let hub: StreamsHub
let auditor: Viewer
beforeAll(async () => {
  hub = await startStreamsHub()
  auditor = await hub.viewer('auditor', '410502')
})
afterAll(() => hub?.close())

/** Of a hub of its own, with a clock of its own. */
function viewingsAt(clock: { nowMs: number }, hubId: string = randomUUID()) {
  const { relational, audit } = hub
  const config = loadConfig({ env: {} })
  return new Viewings({ relational, audit, config, hubId, now: () => clock.nowMs } as never)
}

async function principal(viewer: Viewer, more: Partial<Principal> = {}): Promise<Principal> {
  const who = {
    scope: '410502',
    isOnDuty: true,
    hours: null,
    displayName: `Name of ${viewer.userId.slice(0, 8)}`,
  }
  return { ...viewer, ...who, ...more } as unknown as Principal
}

async function camera(more: Parameters<typeof cameraOf>[1] = {}) {
  const { edgeId } = await hub.edge([])
  const row = cameraOf(edgeId, more)
  await hub.relational.write.insertInto('device').values(row).execute()
  return row.device_id
}

const search = async (query: string, who = auditor): Promise<Viewing[]> => {
  const response = await fetch(`${hub.url}/api/viewings?${query}`, { headers: { cookie: who.cookie } })
  expect(response.status).toBe(200)
  return ((await response.json()) as { items: Viewing[] }).items
}

describe('a viewing', () => {
  it('is counted by second and byte while it lasts, marked when it is long, and closed with both', async () => {
    const who = await hub.viewer()
    const cameraId = await camera()
    const grantId = await addGrant(hub.relational, { userId: who.userId, cameraId, note: 'smoke?' })
    const clock = { nowMs: Date.now() - 2 * 3_600_000 }
    const viewings = viewingsAt(clock)
    const viewing = {
      viewingId: randomUUID(),
      grantId,
      cameraId,
      viewer: await principal(who),
      isDrill: false,
      openedAtMs: clock.nowMs,
    }
    await viewings.open(viewing)
    clock.nowMs += 12_345
    await viewings.keep([{ viewingId: viewing.viewingId, bytes: 1000 }])
    const row = () =>
      hub.relational.read
        .selectFrom('viewing')
        .selectAll()
        .where('viewing_id', '=', viewing.viewingId)
        .executeTakeFirst()
    expect(await row()).toMatchObject({
      seconds: 12,
      bytes: 1000,
      region: '410502003',
      purpose: 'alert_check',
    })
    clock.nowMs += 61 * MINUTE_MS
    await viewings.keep([{ viewingId: viewing.viewingId, bytes: 2000 }])
    expect((await search(`camera=${cameraId}&mark=long`))[0]).toMatchObject({
      note: 'smoke?',
      marks: [{ mark: 'long', found: 61, allowed: 60 }],
    })
    clock.nowMs += MINUTE_MS
    await viewings.close(viewing, { bytes: 3000, why: 'player left', shown: undefined })
    expect(await search(`camera=${cameraId}`)).toMatchObject([
      {
        userId: who.userId,
        seconds: 62 * 60 + 12,
        bytes: 3000,
        whyClosed: 'player left',
        closedAtMs: clock.nowMs,
        marks: [{ mark: 'long', found: 62, allowed: 60 }],
      },
    ])
  })

  it('of a hub that crashed keeps the seconds and bytes that were counted, and is closed by another', async () => {
    const who = await hub.viewer()
    const cameraId = await camera()
    const grantId = await addGrant(hub.relational, { userId: who.userId, cameraId })
    const clock = { nowMs: Date.now() }
    const viewing = {
      viewingId: randomUUID(),
      grantId,
      cameraId,
      viewer: await principal(who),
      isDrill: false,
      openedAtMs: clock.nowMs,
    }
    const dead = viewingsAt(clock, 'dead-hub')
    await dead.open(viewing)
    clock.nowMs += 30_000
    await dead.keep([{ viewingId: viewing.viewingId, bytes: 4711 }])
    clock.nowMs += MINUTE_MS
    expect(await viewingsAt(clock).sweep(['this-hub'])).toBe(1)
    expect(await viewingsAt(clock).sweep(['this-hub'])).toBe(0)
    expect(await search(`camera=${cameraId}`)).toMatchObject([
      { seconds: 30, bytes: 4711, whyClosed: 'hub crashed', closedAtMs: clock.nowMs },
    ])
    const closed = (
      await hub.relational.read
        .selectFrom('audit')
        .selectAll()
        .where('action', '=', 'viewing.closed')
        .execute()
    )
      .map(({ detail }) => JSON.parse(detail))
      .find(({ viewingId }) => viewingId === viewing.viewingId)
    expect(closed).toMatchObject({ bytesAtLeast: 4711, secondsAtLeast: 30, closedAtMost: clock.nowMs })
  })

  it('stands out: many cameras in short time, the same one again and again, each with its number', async () => {
    const who = await hub.viewer()
    const viewer = await principal(who, { isOnDuty: false })
    const clock = { nowMs: Date.now() }
    const viewings = viewingsAt(clock)
    const look = async (cameraId: string) => {
      const grantId = await addGrant(hub.relational, { userId: who.userId, cameraId })
      clock.nowMs += MINUTE_MS
      const viewing = {
        viewingId: randomUUID(),
        grantId,
        cameraId,
        viewer,
        isDrill: false,
        openedAtMs: clock.nowMs,
      }
      await viewings.open(viewing)
      // A player that comes back is no other look.
      await viewings.open({ ...viewing, viewingId: randomUUID() })
    }
    const cameras = []
    for (let index = 0; index < 8; index++) cameras.push(await camera())
    for (const cameraId of cameras) await look(cameraId)
    const found = await search(`person=${who.userId}`)
    expect(found).toHaveLength(16)
    expect(found[0]!.marks).toEqual(
      expect.arrayContaining([{ mark: 'off-duty' }, { mark: 'many-cameras', found: 8, allowed: 8 }]),
    )
    expect(found[2]!.marks).toEqual([{ mark: 'off-duty' }])
    clock.nowMs += 3_600_000
    for (let again = 0; again < 5; again++) await look(cameras[0]!)
    expect((await search(`camera=${cameras[0]}&mark=repeated`)).map(({ marks }) => marks)).toEqual([
      [{ mark: 'off-duty' }, { mark: 'repeated', found: 6, allowed: 6 }],
      [{ mark: 'off-duty' }, { mark: 'repeated', found: 6, allowed: 6 }],
    ])
    expect(await hub.audit.verify()).toMatchObject({ ok: true })
    const opened = await hub.relational.read
      .selectFrom('audit')
      .select('detail')
      .where('action', '=', 'viewing.opened')
      .execute()
    expect(opened.some(({ detail }) => detail.includes('"mark":"repeated"'))).toBe(true)
  })
})

describe('the search of viewings', () => {
  it('finds by person, camera, purpose, incident, mark and time, inside the scope only, page by page', async () => {
    const who = await hub.viewer()
    const viewer = await principal(who)
    const clock = { nowMs: Date.now() + 86_400_000 }
    const beganMs = clock.nowMs
    const viewings = viewingsAt(clock)
    const [own, elsewhere] = [
      await camera({ name: 'South Gate', sensitivity: 'restricted' }),
      await camera({ name: 'South Lane', region: '410503001' }),
    ]
    const incidentId = await hub.incident('410502003')
    const ids: string[] = []
    for (const [index, cameraId] of [own, own, elsewhere, own, own].entries()) {
      const purpose = index % 2 ? 'maintenance' : 'patrol_support'
      const more = index === 3 ? { incidentId } : {}
      const grantId = await addGrant(hub.relational, { userId: who.userId, cameraId, purpose, ...more })
      clock.nowMs += 1000
      const viewingId = randomUUID()
      await viewings.open({ viewingId, grantId, cameraId, viewer, isDrill: false, openedAtMs: clock.nowMs })
      ids.push(viewingId)
    }
    const places = async (query: string, caller = auditor) =>
      (await search(`fromMs=${beganMs}&${query}`, caller)).map(({ viewingId }) => ids.indexOf(viewingId))
    expect(await places('')).toEqual([4, 3, 1, 0])
    expect(await places('', await hub.viewer('auditor', '410503'))).toEqual([2])
    expect(await places('', await hub.viewer('auditor', '4105'))).toEqual([4, 3, 2, 1, 0])
    expect(await places('', await hub.viewer('auditor', '410502004'))).toEqual([])
    expect(await places('camera=south')).toEqual([4, 3, 1, 0])
    expect(await places(`camera=${elsewhere}`)).toEqual([])
    expect(await places('purpose=maintenance')).toEqual([3, 1])
    expect(await places(`incident=${incidentId}`)).toEqual([3])
    expect(await places('mark=no-incident')).toEqual([4, 1, 0])
    expect(await places('mark=restricted')).toEqual([4, 3, 1, 0])
    expect(await places('mark=any&purpose=maintenance')).toEqual([3, 1])
    expect(await places('mark=many-cameras')).toEqual([])
    expect(await places(`person=${encodeURIComponent(`name OF ${who.userId.slice(0, 8)}`)}`)).toEqual([
      4, 3, 1, 0,
    ])
    expect(await places(`toMs=${beganMs + 2500}`)).toEqual([1, 0])
    const paged: number[] = []
    let before = ''
    do {
      const headers = { cookie: auditor.cookie }
      const response = await fetch(`${hub.url}/api/viewings?fromMs=${beganMs}&limit=1${before}`, { headers })
      const page = (await response.json()) as { items: Viewing[]; next?: string }
      paged.push(...page.items.map(({ viewingId }) => ids.indexOf(viewingId)))
      before = page.next ? `&before=${page.next}` : ''
    } while (before)
    expect(paged).toEqual([4, 3, 1, 0])
    for (const role of ['operator', 'engineer'] as const) {
      const { cookie } = await hub.viewer(role)
      expect((await fetch(`${hub.url}/api/viewings`, { headers: { cookie } })).status).toBe(403)
    }
  })

  it('and what is taken out are on the record', async () => {
    const { cookie, userId } = await hub.viewer('auditor', '410502')
    const ask = (path: string) => fetch(hub.url + path, { headers: { cookie } })
    await ask('/api/viewings?purpose=maintenance')
    const csv = await (await ask('/api/viewings/export?format=csv&purpose=maintenance')).text()
    const rules = (await (await ask('/api/viewings/rules')).json()) as { items: object[] }
    expect(rules.items).toContainEqual({ mark: 'long', isOn: true, allowed: 60 })
    const own = await hub.relational.read
      .selectFrom('audit')
      .selectAll()
      .where('actor_id', '=', userId)
      .orderBy('seq')
      .execute()
    const rows = csv.trim().split('\n').length - 1
    expect(rows).toBe(2)
    expect(own.map(({ action, detail }) => [action, JSON.parse(detail)])).toEqual([
      ['audit.searched', { purpose: 'maintenance' }],
      ['audit.exported', { purpose: 'maintenance', format: 'csv', rows }],
    ])
  })
})
