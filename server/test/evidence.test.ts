import { randomUUID } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { UploadProgress } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAX_EVIDENCE_BYTES } from '../src/evidence/evidence-service.ts'
import {
  alertRecord,
  eventually,
  incidentOf,
  jpeg,
  ofKind,
  type People,
  type Person,
  sha256,
  snapshotRecord,
  startPeople,
  type TestEdge,
} from './support/people.ts'

let hub: People
let edge: TestEdge
let operator: Person
beforeAll(async () => {
  hub = await startPeople()
  edge = await hub.edge('410502')
  operator = await hub.person('operator', '410502')
})
afterAll(() => hub.close())

const newAlert = (more: object = {}) =>
  alertRecord('410502', { deviceId: `cam-${randomUUID().slice(0, 8)}`, ...more })
const snapshotOf = async (incidentId: string): Promise<string | undefined> =>
  (await hub.ask(operator, 'GET', `/api/incidents/${incidentId}`)).json.incident.snapshotId
const incoming = () => readdir(join(hub.folder, 'evidence', 'incoming'))

describe('evidence', () => {
  it.each(['the record first', 'the bytes first'])('is served once both are there: %s', async (order) => {
    const screen = await hub.listen(operator)
    const bytes = jpeg()
    const alert = newAlert()
    const record = snapshotRecord(alert, bytes)
    const path = `/api/evidence/${record.evidenceId}`
    const upload = async () =>
      expect(await hub.upload(edge, record.evidenceId, bytes)).toEqual({ status: 204, code: '' })
    const incidentId = incidentOf((await hub.ingest(edge, alert))[0])
    if (order === 'the bytes first') await upload()
    else await hub.ingest(edge, record)
    expect((await hub.ask(operator, 'GET', path)).status).toBe(404)
    expect(ofKind(screen.heard, 'evidence')).toEqual([])
    if (order === 'the bytes first') await hub.ingest(edge, record)
    else await upload()

    await eventually(() => ofKind(screen.heard, 'incident').at(-1)?.snapshotId === record.evidenceId)
    expect(ofKind(screen.heard, 'evidence')).toMatchObject([
      { evidenceId: record.evidenceId, alertId: alert.alertId, role: 'snapshot', isStored: true },
    ])
    expect(await snapshotOf(incidentId)).toBe(record.evidenceId)
    const { status, bytes: got, headers } = await hub.ask(operator, 'GET', path)
    expect([status, got.equals(bytes)]).toEqual([200, true])
    expect(headers.get('content-type')).toBe('image/jpeg')
    expect(headers.get('cache-control')).toMatch(/^private,/)
    expect(headers.get('vary')).toContain('cookie')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain('sandbox')
  })

  it('may come again: the same is fine, another content is a conflict, and the first stays', async () => {
    const bytes = jpeg()
    const alert = newAlert()
    const record = snapshotRecord(alert, bytes)
    expect(await hub.ingest(edge, alert, record, alert, record)).toMatchObject([
      { ok: true, isRepeat: false },
      { ok: true },
      { ok: true, isRepeat: true },
      { ok: true },
    ])
    expect((await hub.upload(edge, record.evidenceId, jpeg())).status, 'other than recorded').toBe(409)
    expect((await hub.upload(edge, record.evidenceId, bytes)).status).toBe(204)
    expect((await hub.upload(edge, record.evidenceId, bytes)).status).toBe(204)
    expect((await hub.upload(edge, record.evidenceId, jpeg())).status).toBe(409)
    const early = randomUUID()
    expect((await hub.upload(edge, early, bytes)).status, 'before its record').toBe(204)
    expect((await hub.upload(edge, early, jpeg())).status).toBe(409)
    expect((await hub.ask(operator, 'GET', `/api/evidence/${record.evidenceId}`)).bytes.equals(bytes)).toBe(
      true,
    )
  })

  it('has to be what it says: hash, kind and size; nothing half is kept', async () => {
    const id = randomUUID()
    expect(await hub.upload(edge, id, jpeg(), { 'x-patrolhub-sha256': sha256(jpeg()) })).toEqual({
      status: 400,
      code: 'HUB_EVIDENCE_HASH',
    })
    expect((await hub.upload(edge, id, Buffer.from('<html>'))).code).toBe('HUB_EVIDENCE_FORMAT')
    expect((await hub.upload(edge, id, jpeg(), { 'content-type': 'video/mp4' })).code).toBe(
      'HUB_EVIDENCE_FORMAT',
    )
    expect((await hub.upload(edge, id, jpeg(), { 'content-type': 'text/html' })).status).toBe(415)
    expect((await hub.upload(edge, id, jpeg(), { 'x-patrolhub-sha256': 'x' })).status).toBe(400)
    expect((await hub.upload(edge, 'not-an-id', jpeg())).status).toBe(400)
    const large = Buffer.concat([jpeg(), Buffer.alloc(MAX_EVIDENCE_BYTES)])
    expect((await hub.upload(edge, id, large)).code).toBe('HUB_EVIDENCE_TOO_LARGE')
    expect(await incoming()).toEqual([])
    const alert = newAlert()
    const bytes = jpeg()
    const record = snapshotRecord(alert, bytes, { bytes: bytes.length + 1 })
    await hub.ingest(edge, alert, record)
    expect((await hub.upload(edge, record.evidenceId, bytes)).code, 'another size than recorded').toBe(
      'HUB_CONFLICT',
    )
  })

  it('without a declared length that is too large is refused while it comes', async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(jpeg()),
      pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024)),
    })
    const response = await fetch(`${hub.url}/api/edge/evidence/${randomUUID()}`, {
      method: 'PUT',
      headers: {
        authorization: edge.authorization,
        'content-type': 'image/jpeg',
        'x-patrolhub-sha256': sha256(jpeg()),
      },
      body,
      duplex: 'half',
    } as RequestInit).catch((error: Error) => error)
    // The sender is cut off while it sends: it may or may not see the answer before the line is gone.
    if (response instanceof Response) expect(response.status).toBe(413)
    await eventually(async () => (await incoming()).length === 0)
  })

  it('of a sender that goes away half way leaves nothing behind', async () => {
    const { port } = new URL(hub.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(
      `PUT /api/edge/evidence/${randomUUID()} HTTP/1.1\r\nhost: x\r\nauthorization: ${edge.authorization}\r\n` +
        `content-type: image/jpeg\r\nx-patrolhub-sha256: ${sha256(jpeg())}\r\ncontent-length: 100000\r\n\r\n`,
    )
    socket.write(jpeg())
    await eventually(async () => (await incoming()).length === 1)
    socket.destroy()
    await eventually(async () => (await incoming()).length === 0)
  })

  describe('of a large file whose line breaks', () => {
    const clip = Buffer.concat([jpeg(), Buffer.alloc(1_500_000, 'a clip of a street ')])
    const headers = () => ({ authorization: edge.authorization, 'x-patrolhub-sha256': sha256(clip) })
    const progress = async (id: string, more = {}) => {
      const response = await fetch(`${hub.url}/api/edge/evidence/${id}`, {
        headers: { ...headers(), ...more },
      })
      return { status: response.status, ...((await response.json()) as Partial<UploadProgress>) }
    }
    /** Sends the first bytes and leaves the line open, as one does that is dead but not closed. */
    const begin = async (id: string, bytes: number) => {
      const socket = connect(Number(new URL(hub.url).port), '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(
        `PUT /api/edge/evidence/${id} HTTP/1.1\r\nhost: x\r\nauthorization: ${edge.authorization}\r\n` +
          `content-type: image/jpeg\r\nx-patrolhub-sha256: ${sha256(clip)}\r\ncontent-length: ${clip.length}\r\n\r\n`,
      )
      socket.write(clip.subarray(0, bytes))
      await eventually(async () => (await partBytes()) === bytes)
      return socket
    }
    const partBytes = async () => {
      const names = (await incoming()).filter((name) => name.endsWith('.part'))
      return names.length === 0 ? 0 : (await stat(join(hub.folder, 'evidence', 'incoming', names[0]!))).size
    }

    it.each(['closed', 'dead but open'])('goes on where it broke off: the old line %s', async (line) => {
      const id = randomUUID()
      expect(await progress(id)).toEqual({ status: 200, isStored: false, receivedBytes: 0 })
      const socket = await begin(id, 700_000)
      if (line === 'closed') socket.destroy()
      expect(await progress(id)).toEqual({ status: 200, isStored: false, receivedBytes: 700_000 })
      const more = { 'x-patrolhub-sha256': sha256(clip), 'x-patrolhub-offset': '700000' }
      expect((await hub.upload(edge, id, clip.subarray(700_000), more)).status).toBe(204)
      expect(await progress(id)).toEqual({ status: 200, isStored: true, receivedBytes: 0 })
      expect(await incoming()).toEqual([])
      socket.destroy()
    })

    it('begins anew when the offset or the bytes are wrong, and is nobody else’s', async () => {
      const id = randomUUID()
      ;(await begin(id, 600_000)).destroy()
      await progress(id)
      const more = { 'x-patrolhub-sha256': sha256(clip), 'x-patrolhub-offset': '600001' }
      expect(await hub.upload(edge, id, clip.subarray(600_001), more)).toEqual({
        status: 412,
        code: 'HUB_EVIDENCE_OFFSET',
      })
      const stranger = await hub.edge('410502')
      expect((await progress(id, { authorization: stranger.authorization })).receivedBytes).toBe(0)
      expect((await progress(id)).receivedBytes).toBe(600_000)
      const damaged = await hub.upload(edge, id, Buffer.alloc(clip.length - 600_000), {
        ...more,
        'x-patrolhub-offset': '600000',
      })
      expect(damaged.code).toBe('HUB_EVIDENCE_HASH')
      expect(await progress(id)).toMatchObject({ receivedBytes: 0 })
      expect((await hub.upload(edge, id, clip)).status).toBe(204)
    })
  })

  it('of another edge can neither be recorded, uploaded nor taken over', async () => {
    const stranger = await hub.edge('410502')
    const bytes = jpeg()
    const alert = newAlert()
    const record = snapshotRecord(alert, bytes)
    await hub.ingest(edge, alert, record)
    expect((await hub.upload(stranger, record.evidenceId, bytes)).status).toBe(404)
    const foreign = snapshotRecord(alert, jpeg())
    expect((await hub.ingest(stranger, foreign))[0]).toMatchObject({
      ok: false,
      reason: expect.stringContaining('another edge'),
    })
    const early = randomUUID()
    expect((await hub.upload(edge, early, bytes)).status).toBe(204)
    const own = newAlert()
    const taken = snapshotRecord(own, bytes, { evidenceId: early })
    expect(await hub.ingest(stranger, own, taken)).toMatchObject([{ ok: true }, { ok: false }])
    const orphan = snapshotRecord(newAlert(), bytes)
    expect((await hub.ingest(edge, orphan))[0]).toMatchObject({ ok: false })
  })

  it('shows the newest snapshot of an incident, however late an older one comes', async () => {
    const atMs = Date.now()
    const deviceId = `cam-${randomUUID().slice(0, 8)}`
    const alerts = [newAlert({ deviceId, atMs }), newAlert({ deviceId, atMs: atMs + 1000 })]
    const pictures = [jpeg(), jpeg()]
    const records = alerts.map((alert, index) => snapshotRecord(alert, pictures[index]!))
    const incidentId = incidentOf((await hub.ingest(edge, ...alerts, ...records))[0])
    await hub.upload(edge, records[1]!.evidenceId, pictures[1]!)
    expect(await snapshotOf(incidentId)).toBe(records[1]!.evidenceId)
    await hub.upload(edge, records[0]!.evidenceId, pictures[0]!)
    expect(await snapshotOf(incidentId)).toBe(records[1]!.evidenceId)
  })

  it('whose file was changed on the disk is not served as evidence', async () => {
    const bytes = jpeg()
    const alert = newAlert()
    const record = snapshotRecord(alert, bytes)
    await hub.ingest(edge, alert, record)
    await hub.upload(edge, record.evidenceId, bytes)
    const file = join(hub.folder, 'evidence', record.sha256.slice(0, 2), record.sha256)
    const content = await readFile(file)
    content[content.length - 1]! ^= 1
    await writeFile(file, content)
    const { status, json, headers } = await hub.ask(operator, 'GET', `/api/evidence/${record.evidenceId}`)
    expect([status, json.code]).toEqual([500, 'HUB_EVIDENCE_DAMAGED'])
    expect(headers.get('cache-control') ?? '').not.toContain('max-age')
    expect(hub.evidence.stats().damaged).toBe(1)
  })

  it('is served in parts, so that a clip can be sought in; a known one is not sent again', async () => {
    const clip = Buffer.concat([
      Buffer.from([0, 0, 0, 24]),
      Buffer.from('ftypisom'),
      Buffer.from('0123456789'),
    ])
    const alert = newAlert()
    const record = snapshotRecord(alert, clip, { role: 'clip', mime: 'video/mp4' })
    await hub.ingest(edge, alert, record)
    await hub.upload(edge, record.evidenceId, clip, { 'content-type': 'video/mp4' })
    const get = (headers: Record<string, string>) =>
      fetch(`${hub.url}/api/evidence/${record.evidenceId}`, {
        headers: { cookie: operator.cookie, ...headers },
      })
    const part = await get({ range: 'bytes=4-7' })
    expect([part.status, await part.text()]).toEqual([206, 'ftyp'])
    expect(part.headers.get('content-range')).toBe(`bytes 4-7/${clip.length}`)
    expect((await get({ range: `bytes=${clip.length}-` })).status).toBe(416)
    expect((await get({ 'if-none-match': part.headers.get('etag')! })).status).toBe(304)
  })

  it('puts a look on the record once, not at every reload or every part', async () => {
    const bytes = jpeg()
    const alert = newAlert()
    const record = snapshotRecord(alert, bytes)
    await hub.ingest(edge, alert, record)
    await hub.upload(edge, record.evidenceId, bytes)
    const look = () => hub.ask(operator, 'GET', `/api/evidence/${record.evidenceId}`)
    await Promise.all(Array.from({ length: 6 }, look))
    await look()
    const looks = await hub.relational.read
      .selectFrom('audit')
      .select('actor_id')
      .where('subject', '=', `evidence:${record.evidenceId}`)
      .execute()
    expect(looks).toEqual([{ actor_id: operator.userId }])
  })

  it('puts a page of pictures on the record as few entries that name each; others look for themselves', async () => {
    const pages = Array.from({ length: 12 }, () => ({ alert: newAlert(), bytes: jpeg() }))
    const records = pages.map(({ alert, bytes }) => snapshotRecord(alert, bytes))
    const answers = await hub.ingest(edge, ...pages.map(({ alert }) => alert), ...records)
    const incidentIds = new Set(pages.map((_page, index) => incidentOf(answers[index])))
    for (const [index, { bytes }] of pages.entries()) {
      await hub.upload(edge, records[index]!.evidenceId, bytes)
    }
    const others = await hub.person('operator', '410502')
    const load = (who: Person) =>
      Promise.all(records.map(({ evidenceId }) => hub.ask(who, 'GET', `/api/evidence/${evidenceId}`)))
    for (const who of [operator, others]) {
      expect((await load(who)).map(({ status }) => status)).toEqual(records.map(() => 200))
    }
    const rows = await hub.relational.read
      .selectFrom('audit')
      .select(['actor_id', 'subject', 'detail'])
      .where('action', '=', 'evidence.viewed')
      .execute()
    const ids = records.map(({ evidenceId }) => evidenceId).sort()
    for (const who of [operator, others]) {
      const looks = rows
        .filter((row) => row.actor_id === who.userId)
        .map((row) => ({ ...row, detail: JSON.parse(row.detail) }))
        .map(({ subject, detail }) => ({
          seen: (detail.evidenceIds ?? [subject.replace('evidence:', '')]) as string[],
          detail,
        }))
        .filter(({ seen }) => seen.some((id) => ids.includes(id)))
      expect(looks.flatMap(({ seen }) => seen).sort(), 'each, once').toEqual(ids)
      expect(looks.length).toBeLessThan(ids.length)
      expect(new Set(looks.flatMap(({ detail }) => detail.incidentIds))).toEqual(incidentIds)
      for (const { seen, detail } of looks) if (seen.length > 1) expect(detail.count).toBe(seen.length)
    }
  })
})
