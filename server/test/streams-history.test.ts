/** History through the gate: real hub, real sockets; an edge that answers as ours does, and one that does not. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { promisify } from 'node:util'
import type { HistoryAsk } from '@patrolhub/protocol'
import {
  encodeFlvHeader,
  FlvReader,
  type FlvTag,
  readVideoPacket,
  setTimestamp,
} from '@patrolhub/protocol/flv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { eventually, type StreamsHub, startStreamsHub, type Viewer } from './support/streams.ts'

const run = promisify(execFile)
const TO_MS = Date.now() - 3_600_000
const SPAN = { fromMs: TO_MS - 60_000, toMs: TO_MS }
let hub: StreamsHub
let edge: Awaited<ReturnType<StreamsHub['edge']>>
let other: Awaited<ReturnType<StreamsHub['edge']>>
/** Six seconds of pictures, ten a second, a key frame a second. */
let footage: FlvTag[]
let answer: (ask: HistoryAsk) => Promise<number> | undefined

beforeAll(async () => {
  const lavfi = 'testsrc2=size=160x120:rate=10:duration=6'
  const coder = ['-c:v', 'libx264', '-g', '10', '-bf', '0', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']
  const { stdout } = await run(
    'ffmpeg',
    ['-v', 'error', '-f', 'lavfi', '-i', lavfi, ...coder, '-f', 'flv', '-'],
    {
      encoding: 'buffer',
    },
  )
  footage = new FlvReader({ maxTagBytes: 2 ** 24 }).push(stdout).filter(({ kind }) => kind === 'video')
  hub = await startStreamsHub({ limits: { watchMs: 50, startMs: 1200, slowPlayerMs: 1500 } })
  edge = await hub.edge([{ cameraId: 'cam' }])
  other = await hub.edge([{ cameraId: 'cam-of-another' }])
  hub.onHistory((_edgeId, command) => {
    if (command.action !== 'stop') void answer(command)
  })
})
afterAll(() => hub.close())

/** Posts as an edge does; resolves with the hub's status. */
function post(
  ask: { answerPath: string },
  type: string,
  parts: readonly Buffer[],
  as = edge,
): Promise<number> {
  return new Promise((resolve) => {
    const headers = { authorization: as.authorization, 'content-type': type }
    const length = type === 'application/json' ? { 'content-length': String(parts[0]!.length) } : {}
    const request = httpRequest(hub.url + ask.answerPath, {
      method: 'POST',
      headers: { ...headers, ...length },
    })
    request.on('response', (response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    request.on('error', () => resolve(0))
    for (const part of parts) request.write(part)
    request.end()
  })
}
/** The footage with its first picture at this time of the span. */
function at(...begins: number[]): Buffer[] {
  const tags = begins.flatMap((beginMs) =>
    footage.map((tag) => {
      const copy = { ...tag, bytes: Buffer.from(tag.bytes) }
      setTimestamp(copy, beginMs + tag.timestampMs)
      return copy.bytes
    }),
  )
  return [encodeFlvHeader({ audio: false, video: true }), ...tags]
}
const json = (value: object) => [Buffer.from(JSON.stringify(value))]
const flv = 'video/x-flv'

async function watch(who: Viewer, grantId: string, more = '') {
  const player = hub.play(who, `/media/history/${grantId}.flv?camera=cam${more}`)
  const { status, body } = await player.answer
  return { player, status, code: body === '' ? '' : JSON.parse(body).code }
}
const marksOf = (tags: readonly FlvTag[]) =>
  tags.filter(({ kind }) => kind === 'script').map(({ bytes }) => bytes.readDoubleBE(bytes.length - 15))
const auditOf = async (grantId: string, action: string) => {
  const rows = await hub.relational.read
    .selectFrom('audit')
    .selectAll()
    .where('action', '=', action)
    .execute()
  return rows.map(({ detail }) => JSON.parse(detail)).filter((detail) => detail.grantId === grantId)
}

describe('history under a grant', () => {
  it('plays what the edge gives, tells its time, leaves the hole out, and is on the record', async () => {
    const who = await hub.viewer()
    const { grantId } = await hub.grant(who, 'cam', { history: SPAN })
    let told = 0
    answer = async (ask) => {
      told = await post(ask, flv, at(10_000, 40_000))
      return told
    }
    const { player, status } = await watch(who, grantId, `&at=${SPAN.fromMs + 10_500}&speed=4`)
    expect(status).toBe(200)
    await player.closed
    const asked = hub.asked.find(({ command }) => command.action === 'play')!
    expect(asked).toMatchObject({
      edgeId: edge.edgeId,
      command: { cameraId: 'cam', atMs: SPAN.fromMs + 10_500, speed: 4, ...SPAN },
    })
    expect(asked.command).toMatchObject({ answerPath: expect.stringContaining('?camera=cam') })
    expect(player.pictures).toHaveLength(120)
    expect(player.pictures[0]!.timestampMs).toBe(0)
    expect(player.pictures.at(-1)!.timestampMs).toBeLessThan(12_000)
    const marks = marksOf(player.tags)
    expect(marks[0]).toBe(
      SPAN.fromMs + 10_000 + footage.find((tag) => readVideoPacket(tag).role === 'key-frame')!.timestampMs,
    )
    expect(marks).toContain(marks[0]! + 30_000)
    await eventually(() => told === 204)
    await eventually(async () => (await auditOf(grantId, 'viewing.closed')).length === 1)
    expect((await auditOf(grantId, 'viewing.opened'))[0]).toMatchObject({
      history: { atMs: SPAN.fromMs + 10_500, speed: 4 },
    })
    const [closed] = await auditOf(grantId, 'viewing.closed')
    expect(closed).toMatchObject({ why: 'history over', shown: { fromMs: marks[0] } })
    expect(closed.shown.toMs).toBeGreaterThan(SPAN.fromMs + 45_000)
    const [row] = await hub.relational.read
      .selectFrom('viewing')
      .selectAll()
      .where('grant_id', '=', grantId)
      .execute()
    expect(row).toMatchObject({ why_closed: 'history over', bytes: player.bytes })
  })

  it('comes by WebSocket too, and ends in order', async () => {
    const who = await hub.viewer()
    const { grantId } = await hub.grant(who, 'cam', { history: SPAN })
    answer = (ask) => post(ask, flv, at(10_000))
    const address = `${hub.url.replace('http', 'ws')}/media/history/${grantId}.flv?camera=cam`
    const socket = new WebSocket(address, { headers: { cookie: who.cookie } })
    const reader = new FlvReader({ maxTagBytes: 2 ** 24 })
    const tags: FlvTag[] = []
    socket.on('message', (part: Buffer) => tags.push(...reader.push(part)))
    const [code] = await once(socket, 'close')
    expect(code).toBe(1000)
    expect(
      tags.filter((tag) => tag.kind === 'video' && readVideoPacket(tag).role !== 'sequence-header'),
    ).toHaveLength(60)
  })

  it('shows nothing outside its span, though the edge sends it', async () => {
    const who = await hub.viewer()
    const history = { fromMs: SPAN.fromMs, toMs: SPAN.fromMs + 3000 }
    const { grantId } = await hub.grant(who, 'cam', { history })
    answer = (ask) => post(ask, flv, at(0, 6000))
    const { player } = await watch(who, grantId)
    await player.closed
    expect(player.pictures.length).toBeGreaterThan(25)
    expect(player.pictures.length).toBeLessThanOrEqual(31)
    const { grantId: second } = await hub.grant(who, 'cam', { history })
    answer = (ask) => post(ask, flv, at(3001))
    expect(await watch(who, second)).toMatchObject({ status: 404, code: 'HUB_HISTORY_NONE' })
  })

  it('is cut like live video: revoked, out of scope, signed out', async () => {
    // Enough that it never ends by itself.
    const endless = async (ask: HistoryAsk) =>
      new Promise<number>((resolve) => {
        const headers = { authorization: edge.authorization, 'content-type': flv }
        const request = httpRequest(hub.url + ask.answerPath, { method: 'POST', headers })
        request.on('response', (response) => resolve(response.resume().statusCode!))
        request.on('error', () => resolve(0))
        for (const part of at(0)) request.write(part)
      })
    const administrator = await hub.viewer('administrator', hub.rootScope)
    const ends: Record<string, (who: Viewer, grantId: string) => Promise<{ status: number }>> = {
      'grant revoked': (who, grantId) => hub.ask(who, 'DELETE', `/api/grants/${grantId}`),
      scope: (who) => hub.ask(administrator, 'PATCH', `/api/users/${who.userId}`, { scope: '410503' }),
      'session ended': (who) => hub.ask(who, 'DELETE', '/api/session'),
    }
    for (const [why, end] of Object.entries(ends)) {
      const who = await hub.viewer()
      const { grantId } = await hub.grant(who, 'cam', { history: SPAN })
      const told = Promise.withResolvers<number>()
      answer = (ask) => {
        const posted = endless(ask)
        void posted.then(told.resolve)
        return posted
      }
      const { player } = await watch(who, grantId)
      await eventually(() => player.pictures.length > 20, 5000, why)
      expect((await end(who, grantId)).status, why).toBeLessThan(300)
      await eventually(() => player.isClosed, 5000, why)
      expect([0, 409], why).toContain(await told.promise)
      await eventually(() => hub.asked.at(-1)!.command.action === 'stop', 3000, why)
      expect((await watch(who, grantId)).status, why).toBeGreaterThanOrEqual(401)
    }
  })

  it("is for its own user, for history only, and answered by the camera's own edge only", async () => {
    const who = await hub.viewer()
    const { grantId } = await hub.grant(who, 'cam', { history: SPAN })
    const stranger = await hub.viewer()
    expect(await watch(stranger, grantId)).toMatchObject({ status: 404, code: 'HUB_NOT_FOUND' })
    const live = await hub.grant(who, 'cam')
    expect(await watch(who, live.grantId)).toMatchObject({ status: 403, code: 'HUB_GRANT_KIND' })
    const opened = (await hub.viewings()).length
    const statuses: number[] = []
    answer = async (ask) => {
      statuses.push(await post(ask, flv, at(0), other))
      statuses.push(await post(ask, flv, at(0)))
      statuses.push(await post(ask, flv, at(0)))
      return 0
    }
    const { player, status } = await watch(who, grantId)
    expect(status).toBe(200)
    await player.closed
    await eventually(() => statuses.length === 3)
    expect(statuses).toEqual([409, 204, 409])
    expect((await hub.viewings()).length).toBe(opened + 1)
  })

  it('says why there is nothing to see', async () => {
    const who = await hub.viewer()
    const { grantId } = await hub.grant(who, 'cam', { history: SPAN })
    const refuse = (refused: string) => {
      answer = (ask) => post(ask, 'application/json', json({ refused, message: 'so it is' }))
      return watch(who, grantId)
    }
    expect(await refuse('nothing')).toMatchObject({ status: 404, code: 'HUB_HISTORY_NONE' })
    expect(await refuse('format')).toMatchObject({ status: 415, code: 'HUB_HISTORY_FORMAT' })
    expect(await refuse('busy')).toMatchObject({ status: 503, code: 'HUB_STREAM_NONE' })
    answer = (ask) => post(ask, flv, [Buffer.from('this is no FLV at all')])
    expect((await watch(who, grantId)).status).toBe(503)
    answer = () => undefined
    expect(await watch(who, grantId)).toMatchObject({ status: 503, code: 'HUB_STREAM_NONE' })
    await hub.relational.write
      .updateTable('edge')
      .set({ state: 'offline' })
      .where('edge_id', '=', edge.edgeId)
      .execute()
    const offline = await hub.ask(who, 'GET', `/media/history/${grantId}.flv?camera=cam`)
    expect([offline.status, offline.json.message]).toEqual([503, `the edge ${edge.edgeId} is offline`])
    await hub.relational.write
      .updateTable('edge')
      .set({ state: 'online' })
      .where('edge_id', '=', edge.edgeId)
      .execute()
    expect((await hub.ask(who, 'GET', `/media/history/${grantId}.flv?speed=3`)).status).toBe(400)
  })

  it('tells which times are recorded, cut to its span', async () => {
    const who = await hub.viewer()
    const { grantId } = await hub.grant(who, 'cam', { history: SPAN })
    const wide = { fromMs: SPAN.fromMs - 5000, toMs: SPAN.fromMs + 5000 }
    const inside = { fromMs: SPAN.fromMs + 9000, toMs: SPAN.toMs }
    const outside = { fromMs: SPAN.toMs + 1, toMs: SPAN.toMs + 9 }
    answer = (ask) => post(ask, 'application/json', json({ stretches: [wide, inside, outside] }))
    const path = `/media/recorded/${grantId}?camera=cam`
    const { status, json: list } = await hub.ask(who, 'GET', path)
    expect([status, list]).toEqual([200, { stretches: [{ ...wide, fromMs: SPAN.fromMs }, inside] }])
    expect((await hub.ask(await hub.viewer(), 'GET', path)).status).toBe(404)
    answer = (ask) =>
      post(ask, 'application/json', json({ refused: 'not-recorded', message: 'it is not recorded' }))
    expect((await hub.ask(who, 'GET', path)).json).toMatchObject({
      code: 'HUB_HISTORY_NONE',
      message: 'it is not recorded',
    })
    answer = (ask) => post(ask, 'application/json', [Buffer.from('{"stretches":7}')])
    expect((await hub.ask(who, 'GET', path)).json.code).toBe('HUB_STREAM_FORMAT')
    await hub.ask(who, 'DELETE', `/api/grants/${grantId}`)
    expect((await hub.ask(who, 'GET', path)).json.code).toBe('HUB_GRANT_ENDED')
  })

  it('waits for a slow player, holds little for it, and gives it up when it takes nothing', async () => {
    const who = await hub.viewer()
    const { grantId } = await hub.grant(who, 'cam', { history: SPAN })
    // One large picture again and again, some MiB, which no socket holds.
    const [header, ...tags] = at(0)
    const key = footage.find((tag) => readVideoPacket(tag).role === 'key-frame')!
    let sent = 0
    answer = (ask) => {
      const headers = { authorization: edge.authorization, 'content-type': flv }
      const request = httpRequest(hub.url + ask.answerPath, { method: 'POST', headers })
      request.on('error', () => undefined)
      request.on('response', (response) => response.resume())
      request.write(Buffer.concat([header!, tags[0]!]))
      const more = () => {
        while (!request.destroyed && request.writableLength < 2 ** 20 && sent < 2 ** 27) {
          const copy = { ...key, bytes: Buffer.from(key.bytes) }
          setTimestamp(copy, Math.floor(sent / 2 ** 17))
          sent += copy.bytes.length
          request.write(copy.bytes)
        }
        if (!request.destroyed) setTimeout(more, 5)
      }
      more()
      return undefined
    }
    const { player } = await watch(who, grantId)
    await eventually(() => player.bytes > 100_000)
    player.stall()
    await eventually(() => hub.streams.stats().viewings === 0, 9000, 'it is given up')
    expect(hub.streams.stats().viewingsClosed['too slow']).toBe(1)
    expect(sent).toBeLessThan(2 ** 26)
  })
})
