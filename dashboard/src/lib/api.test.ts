import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiError, request, UNREACHABLE, withQuery } from './api.ts'

interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: Buffer
}

let server: Server
let base = ''
let seen: Seen[] = []
let answer: (response: ServerResponse) => void = () => {}

beforeEach(async () => {
  seen = []
  server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    seen.push({
      method: incoming.method ?? '',
      url: incoming.url ?? '',
      headers: incoming.headers,
      body: Buffer.concat(chunks),
    })
    answer(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const json = (status: number, body: unknown) => (response: ServerResponse) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof ApiError)) throw new Error(`expected an ApiError, got ${String(error)}`)
  return error
}

describe('request', () => {
  it('marks what changes something, and only that, with the header against forged requests', async () => {
    answer = json(200, { ok: true })
    await request('GET', `${base}/api/alerts`)
    await request('POST', `${base}/api/session`, { body: { username: 'a', password: 'b' } })
    await request('DELETE', `${base}/api/grants/1`)
    expect(seen.map((item) => item.headers['x-patrolhub'])).toEqual([undefined, '1', '1'])
  })

  it('sends JSON as JSON, a photo as it is, and no type without a body', async () => {
    answer = json(200, {})
    await request('POST', `${base}/a`, { body: { note: '已劝离' } })
    await request('POST', `${base}/b`, { body: new Blob(['abc'], { type: 'image/jpeg' }) })
    await request('DELETE', `${base}/c`)
    expect(seen.map((item) => item.headers['content-type'])).toEqual([
      'application/json',
      'image/jpeg',
      undefined,
    ])
    expect(JSON.parse(seen[0]!.body.toString())).toEqual({ note: '已劝离' })
    expect(seen[1]!.body.toString()).toBe('abc')
  })

  it('takes an empty answer', async () => {
    answer = (response) => response.writeHead(204).end()
    expect(await request('DELETE', `${base}/api/session`)).toBeUndefined()
  })

  it("gives the hub's code, words and places of an error", async () => {
    answer = json(409, { code: 'HUB_CONFLICT', message: 'already accepted', details: ['/to: taken'] })
    const error = await failure(request('POST', `${base}/x`, { body: {} }))
    expect(error).toMatchObject({
      status: 409,
      code: 'HUB_CONFLICT',
      message: 'already accepted',
      details: ['/to: taken'],
      isTemporary: false,
    })
  })

  it('makes do with an error that is not from the hub', async () => {
    answer = (response) => response.writeHead(502).end('<html>Bad gateway</html>')
    expect(await failure(request('GET', `${base}/x`))).toMatchObject({
      status: 502,
      code: 'HTTP_502',
      isTemporary: true,
    })
  })

  it('says that the hub was not reached when the connection breaks', async () => {
    answer = (response) => response.destroy()
    expect(await failure(request('GET', `${base}/x`))).toMatchObject({
      status: 0,
      code: UNREACHABLE,
      isTemporary: true,
    })
  })

  it("rejects with the abort's own reason when the caller gave up", async () => {
    answer = () => {}
    const gaveUp = new AbortController()
    const pending = request('GET', `${base}/x`, { signal: gaveUp.signal })
    gaveUp.abort(new Error('left the page'))
    await expect(pending).rejects.toThrow('left the page')
  })
})

describe('withQuery', () => {
  it('leaves out what is undefined and escapes the rest', () => {
    expect(withQuery('/api/alerts', { limit: 5, before: undefined })).toBe('/api/alerts?limit=5')
    expect(withQuery('/a', { before: '1&2' })).toBe('/a?before=1%262')
    expect(withQuery('/a')).toBe('/a')
  })
})
