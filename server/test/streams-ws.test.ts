/** WS-FLV: the same gate, the same record, the same cut as without a WebSocket. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { FlvReader, type FlvTag, readVideoPacket } from '@patrolhub/protocol/flv'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { eventually, type StreamsHub, startStreamsHub, type Viewer, WarmEdge } from './support/streams.ts'

let hub: StreamsHub
let warm: WarmEdge
const players: WsPlayer[] = []

beforeAll(async () => {
  hub = await startStreamsHub({
    limits: { lingerMs: 300, watchMs: 100, startMs: 1500, maxWaitingBytes: 64 * 1024, slowPlayerMs: 1000 },
  })
  const edge = await hub.edge([{ cameraId: 'cam' }, { cameraId: 'idle' }])
  warm = new WarmEdge(hub, edge, 'cam', { bitrate: '4M', size: '1280x720' })
  await warm.ready.promise
})
afterEach(async () => {
  for (const player of players.splice(0)) player.ws.terminate()
  await eventually(() => hub.streams.stats().viewings === 0)
})
afterAll(async () => {
  await warm?.close()
  await hub.close()
})

class WsPlayer {
  readonly ws: WebSocket
  readonly tags: FlvTag[] = []
  readonly #reader = new FlvReader({ maxTagBytes: 16 * 1024 * 1024 })
  /** Of an answer that is no handshake; 101 for one that is. */
  readonly status: Promise<number>

  constructor(who: Viewer | undefined, grantId: string, headers: Record<string, string> = {}) {
    const url = `${hub.url.replace('http', 'ws')}/media/live/${grantId}.flv`
    this.ws = new WebSocket(url, { headers: { ...(who ? { cookie: who.cookie } : {}), ...headers } })
    this.status = new Promise((resolve) => {
      this.ws.on('open', () => resolve(101))
      this.ws.on('unexpected-response', (_request, response) => {
        response.resume()
        resolve(response.statusCode!)
      })
    })
    this.ws.on('error', () => undefined)
    this.ws.on('message', (data) => this.tags.push(...this.#reader.push(data as Buffer)))
    players.push(this)
  }
}

async function watching(who: Viewer): Promise<{ player: WsPlayer; grantId: string }> {
  const { grantId } = await hub.grant(who, 'cam')
  const player = new WsPlayer(who, grantId)
  await eventually(() => player.tags.length > 10, 8000, 'pictures come')
  return { player, grantId }
}
const viewingOf = async (grantId: string) =>
  (await hub.viewings()).filter((row) => row.grant_id === grantId).at(-1)

describe('a player by WebSocket', () => {
  it('gets what the decoder needs, then pictures; its viewing is on the record with its bytes', async () => {
    const { player, grantId } = await watching(await hub.viewer())
    expect(player.tags.slice(0, 2).map((tag) => readVideoPacket(tag).role)).toEqual([
      'sequence-header',
      'key-frame',
    ])
    player.ws.close()
    await eventually(async () => (await viewingOf(grantId))?.why_closed === 'player left')
    expect((await viewingOf(grantId))!.bytes).toBeGreaterThan(1000)
  })

  it.each<[string, string, (who: Viewer, grantId: string) => Promise<unknown>]>([
    ['revocation', 'grant revoked', (who, grantId) => hub.ask(who, 'DELETE', `/api/grants/${grantId}`)],
    ['sign-out', 'session ended', (who) => hub.ask(who, 'DELETE', '/api/session')],
  ])('is cut by %s', async (_name, why, end) => {
    const who = await hub.viewer()
    const { player, grantId } = await watching(who)
    const closed = once(player.ws, 'close')
    await end(who, grantId)
    await closed
    await eventually(async () => (await viewingOf(grantId))?.why_closed === why)
  })

  it('is refused with its status: no session, a foreign page, another grant, an ended one, no picture', async () => {
    const who = await hub.viewer()
    const { grantId } = await hub.grant(who, 'cam')
    expect(await new WsPlayer(undefined, grantId).status).toBe(401)
    expect(await new WsPlayer(who, grantId, { origin: 'https://elsewhere.example' }).status).toBe(403)
    expect(await new WsPlayer(who, grantId, { origin: hub.url }).status).toBe(101)
    expect(await new WsPlayer(await hub.viewer(), grantId).status).toBe(404)
    expect(await new WsPlayer(who, 'nonsense').status).toBe(400)
    const idle = await hub.grant(who, 'idle')
    expect(await new WsPlayer(who, idle.grantId).status).toBe(503)
    await hub.ask(who, 'DELETE', `/api/grants/${grantId}`)
    expect(await new WsPlayer(who, grantId).status).toBe(403)
  })

  it('that talks is cut', async () => {
    const { player } = await watching(await hub.viewer())
    const closed = once(player.ws, 'close')
    player.ws.send('hello')
    await closed
  })

  it('that does not read is given up with its memory bounded', async () => {
    const { player, grantId } = await watching(await hub.viewer())
    player.ws.pause()
    let mostBytes = 0
    await eventually(
      async () => {
        mostBytes = Math.max(mostBytes, hub.streams.stats().waitingBytes)
        return (await viewingOf(grantId))?.why_closed === 'too slow'
      },
      30_000,
      'it is given up',
    )
    // The first group of pictures may exceed the bound; then one tag may.
    expect(mostBytes).toBeLessThan(8 * 1024 * 1024)
  }, 40_000)

  it('that is none, or asks with another method, leaves nothing behind', async () => {
    const who = await hub.viewer()
    const { grantId } = await hub.grant(who, 'cam')
    const { hostname, port } = new URL(hub.url)
    for (const method of ['GET', 'POST']) {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined).resume()
      const lines = [`${method} /media/live/${grantId}.flv HTTP/1.1`, 'host: hub', `cookie: ${who.cookie}`]
      socket.write([...lines, 'connection: upgrade', 'upgrade: websocket', '', ''].join('\r\n'))
      await once(socket, 'close')
    }
    await eventually(() => hub.streams.stats().viewings === 0)
  })
})
