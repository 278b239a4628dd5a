import { once } from 'node:events'
import { type ClientRequest, request } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { encodeFlvHeader } from '@patrolhub/protocol/flv'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { type MediaAddress, MediaServer } from '../src/streams/media-server.ts'
import { eventually } from './support/streams.ts'

const servers: MediaServer[] = []
const calls: ClientRequest[] = []
afterEach(async () => {
  for (const call of calls.splice(0)) call.destroy()
  for (const server of servers.splice(0)) await server.close()
})

async function started(): Promise<MediaServer> {
  const server = new MediaServer({ log: pino({ level: 'silent' }) })
  servers.push(server)
  await server.start()
  return server
}

/** Bytes that a player gets there: the file header at once if it is let in, none if not. */
async function played(address: Omit<MediaAddress, 'host'>): Promise<number> {
  const call = request({ host: '127.0.0.1', agent: false, ...address })
  calls.push(call)
  call.end()
  const [response] = await once(call, 'response')
  const first = await Promise.race([once(response, 'data'), once(response, 'end')])
  return first[0]?.length ?? 0
}

function published(address: MediaAddress, bytes: Buffer): ClientRequest {
  const call = request({ ...address, method: 'POST', agent: false })
  call.on('error', () => undefined)
  calls.push(call)
  call.write(bytes)
  return call
}

describe('the media server', () => {
  it('is on loopback only', async () => {
    const { port } = (await started()).newAddress()
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4')
    if (outside) {
      const socket = connect(port, outside.address)
      await expect(once(socket, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    }
    expect(await played({ port, path: (await started()).newAddress().path })).toBe(0)
  })

  it('lets nobody in whose address it has not made, and has no console, interface or WebSocket', async () => {
    const server = await started()
    const { port, path } = server.newAddress()
    expect(await played({ port, path })).toBe(13)
    const [streamPath, sign] = path.split('.flv?sign=') as [string, string]
    const [expiresAt, hash] = sign.split('-') as [string, string]
    const forged = [
      '/live/cam.flv',
      `${streamPath}.flv`,
      `${streamPath}x.flv?sign=${sign}`,
      `${streamPath}.flv?sign=${Number(expiresAt) + 1}-${hash}`,
      `${streamPath}.flv?sign=${expiresAt}-${'0'.repeat(32)}`,
    ]
    for (const other of forged) expect(await played({ port, path: other }), other).toBe(0)
    for (const other of ['/admin/', '/api/v1/streams', '/api/v1/login']) {
      expect((await fetch(`http://127.0.0.1:${port}${other}`)).status, other).toBe(404)
    }
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
    const [event] = await Promise.race([once(socket, 'open'), once(socket, 'error')])
    expect(event.type).toBe('error')
    expect(server.newAddress().path).not.toBe(path)
  })

  it('that dies is started again with other secrets, and takes nobody with it', async () => {
    const server = await started()
    const before = server.newAddress()
    // A script tag with a list of one value of no known type: why the gate keeps script tags out of it.
    const script = Buffer.from([18, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 1, 0xff, 0, 0, 0, 17])
    published(before, Buffer.concat([encodeFlvHeader({ audio: false, video: true }), script]))
    await eventually(() => server.restarts === 1)
    await eventually(() => {
      try {
        return server.newAddress().port > 0
      } catch {
        return false
      }
    })
    const after = server.newAddress()
    expect(after.path.split('/')[1]).not.toBe(before.path.split('/')[1])
    expect(await played(after)).toBe(13)
  })
})
