import { once } from 'node:events'
import type { Edge, PushEvent } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PushTarget } from '../src/push/push.ts'
import {
  disconnected,
  eventually,
  farewells,
  ofKind,
  type People,
  type Person,
  startPeople,
} from './support/people.ts'

let hub: People
beforeAll(async () => {
  hub = await startPeople()
})
afterAll(() => hub.close())

const edgeNamed = (name: string, region = '410502003'): Edge => ({
  edgeId: 'e1',
  name,
  region,
  state: 'online',
  software: '1',
})

function send(target: PushTarget, event: PushEvent): void {
  hub.push.send([{ target, event }], 0)
}

function sendEdge(name: string, region = '410502003'): void {
  send({ region }, { event: 'edge', payload: edgeNamed(name, region) })
}

async function handshake(headers: Record<string, string>): Promise<Response> {
  return fetch(`${hub.url}/socket.io/?EIO=4&transport=polling`, { headers })
}

describe('a socket', () => {
  it('hears what its role may watch inside its scope, once, and nothing else', async () => {
    const listeners = {
      county: await hub.listen(await hub.person('operator', '410502')),
      township: await hub.listen(await hub.person('supervisor', '410502003')),
      neighbour: await hub.listen(await hub.person('operator', '410503')),
      engineer: await hub.listen(await hub.person('engineer', '4105')),
      auditor: await hub.listen(await hub.person('auditor', '4105')),
      patroller: await hub.listen(await hub.person('patroller', '4105')),
    }
    const supervisor = await hub.person('supervisor', '410502')
    const owner = await hub.person('operator', '410502')
    const approver = await hub.listen(supervisor)
    const asker = await hub.listen(owner)
    sendEdge('one')
    const grant = { grantId: 'g1' } as never
    send({ region: '410502003', userId: owner.userId }, { event: 'grant', payload: grant })
    send({ region: '410502' }, { event: 'incident', payload: { incidentId: 'i1' } as never })
    sendEdge('end', '410502003')
    sendEdge('end', '410503')
    await eventually(() =>
      [listeners.county, listeners.township, listeners.engineer, listeners.neighbour, asker, approver].every(
        ({ heard }) => ofKind(heard, 'edge').some((edge) => edge.name === 'end'),
      ),
    )
    const kinds = (heard: readonly { event: string }[]) => heard.map((one) => one.event).join(' ')
    expect(kinds(listeners.county.heard)).toBe('edge incident edge')
    expect(kinds(listeners.township.heard), 'approves in its scope').toBe('edge grant edge')
    expect(kinds(listeners.neighbour.heard)).toBe('edge')
    expect(kinds(listeners.engineer.heard)).toBe('edge edge edge')
    expect(kinds(listeners.auditor.heard)).toBe('')
    expect(kinds(listeners.patroller.heard)).toBe('')
    expect(kinds(asker.heard)).toBe('edge grant incident edge')
    expect(kinds(approver.heard)).toBe('edge grant incident edge')
  })

  it('is refused without a session, with a one-time password, and to a page of another origin', async () => {
    const operator = await hub.person('operator', '410502')
    const fresh = await hub.person('operator', '410502', { oneTime: true })
    const nobody: Person = { ...operator, cookie: `patrolhub_session=${'x'.repeat(43)}` }
    const { refused } = hub.push.stats()
    await expect(hub.listen(nobody)).rejects.toThrow('HUB_NOT_SIGNED_IN')
    await expect(hub.listen(fresh)).rejects.toThrow('HUB_NOT_SIGNED_IN')
    await expect(hub.listen(operator, { headers: { origin: 'https://evil.example' } })).rejects.toThrow()
    expect(hub.push.stats().refused - refused).toBe(3)
    expect((await handshake({ origin: 'https://evil.example', cookie: operator.cookie })).status).toBe(403)
    expect((await handshake({ origin: hub.url, cookie: operator.cookie })).status).toBe(200)
    await hub.listen(operator, { headers: { origin: hub.url } })
  })

  it('that stops reading is cut while the others hear everything, and comes back by itself', async () => {
    const healthy = await hub.listen(await hub.person('engineer', '410502'))
    const slow = await hub.listen(await hub.person('engineer', '410502'), { reconnection: true })
    const { slowClientsCut } = hub.push.stats()
    // biome-ignore lint/suspicious/noExplicitAny: the client's own TCP socket, which has no public name
    const tcp = (slow.socket.io.engine.transport as any).ws._socket
    tcp.pause()
    const name = 'x'.repeat(100_000)
    let sent = 0
    while (hub.push.stats().slowClientsCut === slowClientsCut) {
      for (let burst = 0; burst < 10; burst++) sendEdge(name)
      sent += 10
      await eventually(() => ofKind(healthy.heard, 'edge').length === sent)
      await once(AbortSignal.timeout(30), 'abort')
      expect(sent * name.length, 'it is cut before it holds much').toBeLessThan(60_000_000)
    }
    const back = once(slow.socket as never, 'connect')
    tcp.resume()
    await back
    const before = ofKind(slow.heard, 'edge').length
    sendEdge('after')
    await eventually(() => ofKind(slow.heard, 'edge').length > before)
    expect(ofKind(slow.heard, 'edge').at(-1)?.name).toBe('after')
    expect(hub.push.stats().slowClientsCut - slowClientsCut).toBe(1)
  })

  /** A client of long polling that has not asked for anything yet; answers what asks once. */
  async function poller(): Promise<() => Promise<string>> {
    const engineer = await hub.person('engineer', '410502')
    const { connected } = hub.push.stats()
    const opened = await (await handshake({ cookie: engineer.cookie })).text()
    const { sid } = JSON.parse(opened.slice(1)) as { sid: string }
    const url = `${hub.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`
    const headers = { cookie: engineer.cookie, 'content-type': 'text/plain' }
    await fetch(url, { method: 'POST', headers, body: '40' })
    await eventually(() => hub.push.stats().connected === connected + 1)
    return async () => (await fetch(url, { headers })).text()
  }

  it('that never asks for what waits for it is cut too (long polling)', async () => {
    const { slowClientsCut, connected } = hub.push.stats()
    await poller()
    for (let count = 0; count < 12; count++) sendEdge('x'.repeat(100_000))
    await eventually(() => hub.push.stats().slowClientsCut === slowClientsCut + 1)
    await eventually(() => hub.push.stats().connected === connected)
  })

  it('that is behind after much came at once has time to catch up', async () => {
    const { slowClientsCut } = hub.push.stats()
    const poll = await poller()
    for (let count = 0; count < 15; count++) sendEdge(`${count}`.padEnd(100_000, 'x'))
    await once(AbortSignal.timeout(300), 'abort')
    const got = await poll()
    expect(got.split('"edge"').length - 1).toBe(15)
    expect(hub.push.stats().slowClientsCut).toBe(slowClientsCut)
  })

  it('is refused to a user who has very many', async () => {
    const engineer = await hub.person('engineer', '410502')
    const sockets: Awaited<ReturnType<typeof hub.listen>>[] = []
    for (let count = 0; count < 40; count++) sockets.push(await hub.listen(engineer))
    await expect(hub.listen(engineer)).rejects.toThrow('HUB_TOO_MANY_REQUESTS')
    await hub.listen(await hub.person('engineer', '410502'))
    sockets[0]!.socket.disconnect()
    await eventually(async () =>
      hub.listen(engineer).then(
        () => true,
        () => false,
      ),
    )
  })

  it('cannot say anything: what it sends is ignored', async () => {
    const { socket, heard } = await hub.listen(await hub.person('engineer', '410502'))
    socket.emit('join', 'user:somebody')
    socket.emit('edge', edgeNamed('forged'))
    sendEdge('real')
    await eventually(() => heard.length > 0)
    expect(ofKind(heard, 'edge').map((edge) => edge.name)).toEqual(['real'])
  })

  it('whose session was ended behind its back by the clock is told', async () => {
    const engineer = await hub.person('engineer', '410502')
    await hub.relational.write
      .updateTable('session')
      .set({ expires_at_ms: Date.now() + 700 })
      .where('token_hash', '=', engineer.sessionHash)
      .execute()
    const { socket, heard } = await hub.listen(engineer)
    await disconnected(socket)
    expect(farewells(heard)).toEqual(['expired'])
  })
})
