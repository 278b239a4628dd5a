/** Packages of recorded history: made, checked without a hub, downloaded, and gone with their grant. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Export, HistoryAsk } from '@patrolhub/protocol'
import { extract, pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseInvocation } from '../src/cli.ts'
import { checkExport } from '../src/cli-export.ts'
import { exportKeyOf } from '../src/exports/export-key.ts'
import type { ExportManifest } from '../src/exports/manifest.ts'
import { verifyExport } from '../src/exports/verify.ts'
import { eventually, type StreamsHub, startStreamsHub, type Viewer } from './support/streams.ts'

const run = promisify(execFile)
const TO_MS = Date.now() - 3_600_000
const SPAN = { fromMs: TO_MS - 60_000, toMs: TO_MS }
const FIRST = { fromMs: SPAN.fromMs, toMs: SPAN.fromMs + 20_000 }
const SECOND = { fromMs: SPAN.fromMs + 30_000, toMs: SPAN.toMs }
const MAX_BYTES = 18 * 2 ** 20
let hub: StreamsHub
let edge: Awaited<ReturnType<StreamsHub['edge']>>
let clip: Buffer
let answer: (ask: HistoryAsk) => void

beforeAll(async () => {
  hub = await startStreamsHub({ limits: { watchMs: 50 }, exportLimits: { maxBytes: MAX_BYTES } })
  edge = await hub.edge([{ cameraId: 'cam' }])
  const file = join(hub.folder, 'clip.mp4')
  const lavfi = 'testsrc2=size=160x120:rate=10:duration=2'
  await run('ffmpeg', [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    lavfi,
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    file,
  ])
  clip = await readFile(file)
  hub.onHistory((_edgeId, command) => {
    if (command.action !== 'stop') answer(command)
  })
})
afterAll(() => hub.close())

function post(ask: HistoryAsk, type: string, body: Buffer, more: Record<string, string> = {}): void {
  const headers = {
    authorization: edge.authorization,
    'content-type': type,
    'content-length': String(body.length),
    ...more,
  }
  const request = httpRequest(hub.url + ask.answerPath, { method: 'POST', headers })
  request.on('response', (response) => response.resume())
  request.on('error', () => undefined)
  request.end(body)
}
/** A part of an MP4 that says nothing. */
function freeBox(bytes: number): Buffer {
  const box = Buffer.alloc(bytes)
  box.writeUInt32BE(bytes)
  box.write('free', 4, 'latin1')
  return box
}
const say = (ask: HistoryAsk, value: object) =>
  post(ask, 'application/json', Buffer.from(JSON.stringify(value)))
/** As an edge that holds two stretches. */
function give(ask: HistoryAsk): void {
  if (ask.action === 'list') say(ask, { stretches: [FIRST, SECOND] })
  else post(ask, 'video/mp4', clip, { 'x-patrolhub-from-ms': String(ask.fromMs + 300) })
}

async function asked(who: Viewer, body: object = { reason: 'for the court' }) {
  const { grantId } = await hub.grant(who, 'cam', { history: SPAN })
  const { status, json } = await hub.ask(who, 'POST', `/media/exports/${grantId}?camera=cam`, body)
  return { status, json, grantId }
}
async function made(who: Viewer, wanted: Export['state'] = 'ready') {
  const { status, json, grantId } = await asked(who)
  expect([status, json.state]).toEqual([202, 'making'])
  let found: Export | undefined
  await eventually(async () => {
    const list = (await hub.ask(who, 'GET', '/api/exports')).json.items as Export[]
    found = list.find(({ exportId }) => exportId === json.exportId)
    return found?.state === wanted
  })
  return { ...found!, grantId }
}
async function download(who: Viewer, path: string) {
  const response = await fetch(hub.url + path, { headers: { cookie: who.cookie } })
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) }
}
const auditOf = async (exportId: string) => {
  const rows = await hub.relational.read.selectFrom('audit').selectAll().orderBy('seq').execute()
  return rows
    .map((row) => ({ ...row, detail: JSON.parse(row.detail) }))
    .filter(({ detail }) => detail.exportId === exportId)
}

type Entries = Map<string, Buffer>
async function unpack(bytes: Buffer): Promise<Entries> {
  const entries: Entries = new Map()
  const reader = extract()
  reader.end(bytes)
  for await (const entry of reader) {
    const parts: Buffer[] = []
    for await (const part of entry) parts.push(part as Buffer)
    entries.set(entry.header.name, Buffer.concat(parts))
  }
  return entries
}
async function repack(entries: Iterable<[string, Buffer]>): Promise<string> {
  const tar = pack()
  for (const [name, content] of entries) tar.entry({ name }, content)
  tar.finalize()
  const parts: Buffer[] = []
  for await (const part of tar) parts.push(part as Buffer)
  const file = join(hub.folder, 'changed.tar')
  await writeFile(file, Buffer.concat(parts))
  return file
}

describe('an export', () => {
  it('is a signed package that says what it is and can be checked without the hub', async () => {
    answer = give
    const who = await hub.viewer('supervisor')
    const ready = await made(who)
    expect(ready).toMatchObject({ cameraName: 'Camera cam', span: SPAN, reason: 'for the court' })
    const { status, bytes } = await download(who, ready.downloadPath!)
    expect(status).toBe(200)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(ready.sha256)
    const file = join(hub.folder, 'out.tar')
    await writeFile(file, bytes)
    const { fingerprint } = exportKeyOf(hub.folder, undefined)
    const check = await verifyExport(file, fingerprint)
    expect(check).toMatchObject({ ok: true })
    const { manifest } = check as { manifest: ExportManifest }
    expect(manifest).toMatchObject({
      camera: { cameraId: 'cam', region: '410502003' },
      clips: [
        { file: 'clip-001.mp4', fromMs: FIRST.fromMs + 300, toMs: FIRST.toMs },
        { file: 'clip-002.mp4', fromMs: SECOND.fromMs + 300, toMs: SECOND.toMs },
      ],
      exportedBy: { userId: who.userId },
      grant: { grantId: ready.grantId, purpose: 'alert_check' },
    })
    // The place in the record is the entry that tells of this very package.
    const record = await auditOf(ready.exportId)
    expect(record.map(({ action }) => action)).toEqual(['export.asked', 'export.made', 'export.downloaded'])
    expect(manifest.audit).toEqual({ seq: record[1]!.seq, hash: record[1]!.hash })
    expect(record[1]!.detail.files).toEqual(manifest.files)
    expect((await unpack(bytes)).get('clip-001.mp4')!.equals(clip)).toBe(true)
    // Debian's own tar reads it, and the command line says so.
    expect((await run('tar', ['-tf', file])).stdout).toContain('clip-002.mp4')
    const { command } = parseInvocation(['export', 'verify', file, '--key', fingerprint])
    if (command.kind !== 'export verify') throw new Error(command.kind)
    const said = await checkExport(command)
    expect([said.isGood, said.text]).toEqual([true, expect.stringContaining('the package is whole: 3 files')])
  })

  it('that was changed is not taken for whole, and the first thing that is wrong is named', async () => {
    answer = give
    const who = await hub.viewer('supervisor')
    const { downloadPath } = await made(who)
    const entries = await unpack((await download(who, downloadPath!)).bytes)
    const wrong = async (change: (entries: Entries) => Iterable<[string, Buffer]>) => {
      const check = await verifyExport(await repack(change(new Map(entries))))
      return check.ok ? 'ok' : check.reason
    }
    const edited = (name: string, edit: (content: Buffer) => Buffer | string) => (all: Entries) =>
      all.set(name, Buffer.from(edit(Buffer.from(all.get(name)!))))
    const text = (from: RegExp, to: string) => (content: Buffer) => content.toString().replace(from, to)
    expect(await wrong((all) => all)).toBe('ok')
    const flipped = edited('clip-002.mp4', (content) => content.fill(content[99]! ^ 1, 99, 100))
    expect(await wrong(flipped)).toMatch(/^clip-002\.mp4 has been changed/)
    expect(await wrong(edited('clip-001.mp4', (content) => content.subarray(1)))).toMatch(
      /^clip-001\.mp4 has \d+ bytes/,
    )
    expect(await wrong(edited('README.txt', () => 'trust me'))).toMatch(/^README\.txt has/)
    expect(await wrong(edited('manifest.json', text(/for the court/, 'for my blog')))).toMatch(
      /signature does not fit/,
    )
    expect(await wrong(edited('manifest.sig', () => 'AAAA'))).toMatch(/signature does not fit/)
    expect(await wrong(edited('manifest.json', () => '{}'))).toMatch(/^manifest\.json does not fit/)
    expect(await wrong((all) => [...all].filter(([name]) => name !== 'clip-001.mp4'))).toBe(
      'clip-001.mp4 is missing',
    )
    expect(await wrong((all) => [...all].filter(([name]) => name !== 'manifest.sig'))).toMatch(
      /comes before manifest\.sig/,
    )
    expect(await wrong((all) => [...all, ['more.txt', Buffer.from('x')]])).toMatch(
      /^more\.txt is not in the manifest/,
    )
    expect(await wrong((all) => [...all].reverse())).toMatch(/^it begins with/)
    // Signed anew by somebody else: only who knows the fingerprint of the centre sees it.
    const foreign = exportKeyOf(hub.folder.concat('/exports'), undefined)
    const forged = await repack(
      ((all: Entries) => {
        const manifest = JSON.parse(all.get('manifest.json')!.toString()) as ExportManifest
        const { publicKey, fingerprint } = foreign
        const json = Buffer.from(
          JSON.stringify({ ...manifest, key: { ...manifest.key, publicKey, fingerprint } }),
        )
        return all.set('manifest.json', json).set('manifest.sig', Buffer.from(foreign.sign(json)))
      })(new Map(entries)),
    )
    expect(await verifyExport(forged)).toMatchObject({ ok: true })
    const { fingerprint } = exportKeyOf(hub.folder, undefined)
    expect(await verifyExport(forged, fingerprint)).toMatchObject({
      ok: false,
      reason: /is signed with the key/,
    })
    await writeFile(forged, 'no tar')
    expect((await verifyExport(forged)).ok).toBe(false)
    await expect(verifyExport(join(hub.folder, 'none.tar'))).rejects.toThrow(/ENOENT/)
  })

  it('needs its permission, a grant for history of their own, a reason, and a span inside', async () => {
    answer = give
    const supervisor = await hub.viewer('supervisor')
    expect((await asked(await hub.viewer('operator'))).status).toBe(403)
    expect((await asked(supervisor, { reason: '  ' })).status).toBe(400)
    expect((await asked(supervisor, {})).status).toBe(400)
    const outside = await asked(supervisor, { reason: 'x', span: { ...SPAN, toMs: SPAN.toMs + 1 } })
    expect([outside.status, outside.json.details]).toEqual([400, ['/span: lies outside the grant']])
    const live = await hub.grant(supervisor, 'cam')
    const body = { reason: 'x' }
    const kind = await hub.ask(supervisor, 'POST', `/media/exports/${live.grantId}?camera=cam`, body)
    expect(kind.json.code).toBe('HUB_GRANT_KIND')
    const { grantId } = await hub.grant(supervisor, 'cam', { history: SPAN })
    const another = await hub.viewer('supervisor')
    expect((await hub.ask(another, 'POST', `/media/exports/${grantId}?camera=cam`, body)).status).toBe(404)
  })

  it('is listed to its maker and to auditors of the scope, and downloaded by its maker only', async () => {
    answer = give
    const who = await hub.viewer('supervisor')
    const ready = await made(who)
    const seenBy = async (viewer: Viewer) => {
      const list = (await hub.ask(viewer, 'GET', '/api/exports')).json.items as Export[]
      return list.find(({ exportId }) => exportId === ready.exportId)
    }
    const auditor = await seenBy(await hub.viewer('auditor', '4105'))
    expect(auditor).toMatchObject({ userId: who.userId, state: 'ready' })
    expect(auditor!.downloadPath).toBeUndefined()
    expect(await seenBy(await hub.viewer('auditor', '410503'))).toBeUndefined()
    expect(await seenBy(await hub.viewer('operator'))).toBeUndefined()
    const other = await hub.viewer('supervisor')
    expect((await download(other, ready.downloadPath!)).status).toBe(404)
    expect((await fetch(hub.url + ready.downloadPath!)).status).toBe(401)
  })

  it('is downloaded no more once its grant has ended, and then deleted', async () => {
    answer = give
    const who = await hub.viewer('supervisor')
    const ready = await made(who)
    expect(await readdir(join(hub.folder, 'exports'))).toContain(`${ready.exportId}.tar`)
    await hub.ask(who, 'DELETE', `/api/grants/${ready.grantId}`)
    expect((await download(who, ready.downloadPath!)).status).toBe(403)
    expect(await hub.exports.removeEnded()).toBeGreaterThan(0)
    expect(await readdir(join(hub.folder, 'exports'))).not.toContain(`${ready.exportId}.tar`)
    const list = (await hub.ask(who, 'GET', '/api/exports')).json.items as Export[]
    expect(list.find(({ exportId }) => exportId === ready.exportId)).toMatchObject({ state: 'removed' })
    expect((await auditOf(ready.exportId)).at(-1)).toMatchObject({ action: 'export.removed' })
  })

  it('is cut in the middle of a download by what ends its grant or the session', async () => {
    // More than sockets hold by themselves.
    const large = Buffer.concat([clip, freeBox(8 * 2 ** 20)])
    answer = (ask) => {
      if (ask.action === 'list') give(ask)
      else post(ask, 'video/mp4', large, { 'x-patrolhub-from-ms': String(ask.fromMs) })
    }
    const ends = {
      grant: (who: Viewer, grantId: string) => hub.ask(who, 'DELETE', `/api/grants/${grantId}`),
      session: (who: Viewer) => hub.ask(who, 'DELETE', '/api/session'),
    }
    for (const [why, end] of Object.entries(ends)) {
      const who = await hub.viewer('supervisor')
      const ready = await made(who)
      const options = { headers: { cookie: who.cookie }, agent: false }
      const request = httpRequest(hub.url + ready.downloadPath!, options).end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      response.on('error', () => undefined)
      expect(response.statusCode, why).toBe(200)
      response.pause()
      expect((await end(who, ready.grantId)).status, why).toBeLessThan(300)
      let bytes = 0
      response.on('data', (part: Buffer) => {
        bytes += part.length
      })
      const closed = new Promise((resolve) => response.once('close', resolve))
      response.resume()
      await closed
      expect(response.complete, why).toBe(false)
      expect(bytes, why).toBeLessThan(ready.bytes!)
    }
  })

  it('fails with a reason: nothing recorded, too large, no MP4, the grant ended', async () => {
    const who = await hub.viewer('supervisor')
    const problem = async (how: (ask: HistoryAsk) => void) => {
      answer = how
      return (await made(who, 'failed')).problem
    }
    expect(await problem((ask) => say(ask, { stretches: [] }))).toBe('nothing of that time is recorded')
    const clips = (bytes: Buffer) => (ask: HistoryAsk) => {
      if (ask.action === 'list') give(ask)
      else post(ask, 'video/mp4', bytes, { 'x-patrolhub-from-ms': String(ask.fromMs) })
    }
    expect(await problem(clips(Buffer.alloc(MAX_BYTES + 1)))).toBe(
      'the clips are larger than one package takes',
    )
    expect(await problem(clips(Buffer.from('this is no video')))).toBe('the edge sent no MP4')
    // Two seconds of video for a stretch of half a one.
    const brief = { fromMs: SPAN.fromMs, toMs: SPAN.fromMs + 500 }
    const long = await problem((ask) => {
      if (ask.action === 'list') say(ask, { stretches: [brief] })
      else post(ask, 'video/mp4', clip, { 'x-patrolhub-from-ms': String(ask.fromMs) })
    })
    expect(long).toBe('the edge sent a clip that is longer than was asked for')
    let grantId = ''
    answer = (ask) => {
      if (ask.action === 'list') give(ask)
      else void hub.ask(who, 'DELETE', `/api/grants/${grantId}`)
    }
    const begun = await asked(who)
    grantId = begun.grantId
    await eventually(async () => {
      const list = (await hub.ask(who, 'GET', '/api/exports')).json.items as Export[]
      return list.some((one) => one.exportId === begun.json.exportId && one.state === 'failed')
    })
    expect((await auditOf(begun.json.exportId)).at(-1)).toMatchObject({
      action: 'export.failed',
      detail: { problem: 'the grant ended meanwhile' },
    })
    expect(
      (await readdir(join(hub.folder, 'exports'))).filter((name) => name.includes(begun.json.exportId)),
    ).toEqual([])
  })

  it('that a crash left half made is marked, on the record', async () => {
    const who = await hub.viewer('supervisor')
    answer = () => undefined
    const { json } = await asked(who)
    await hub.exports.sweep([])
    expect((await auditOf(json.exportId)).at(-1)).toMatchObject({
      action: 'export.failed',
      detail: { problem: 'the hub was stopped' },
    })
  })
})
