/**
 * More than one machine: edges spread over two hubs by a shared subscription, screens on both through the proxy. What
 * an edge has journalled is stored once and told to every screen once, whatever is killed meanwhile.
 */
import { randomUUID } from 'node:crypto'
import { request } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  missingEngines,
  type Screen,
  type SimulatedEdge,
  startTopology,
  type Topology,
} from '../support/topology.ts'

const missing = await missingEngines()
if (missing.length > 0) {
  const title = `${missing.join(', ')} not installed: several hubs are NOT tested`
  if (process.env.CI) it(title, () => expect.fail(title))
  else it.skip(title, () => {})
}

const EDGES = 4

describe.skipIf(missing.length > 0)('two hubs', () => {
  let topology: Topology
  let edges: SimulatedEdge[]
  let screens: Screen[]

  beforeAll(async () => {
    topology = await startTopology()
    edges = await topology.addEdges(EDGES)
    screens = []
    // One after the other: the proxy gives each new connection to the hub that has fewer.
    for (let count = 1; count <= 2; count++) {
      const screen = topology.screen()
      await until('the screen is connected', () => screen.isConnected)
      screens.push(screen)
    }
  }, 60_000)
  afterAll(() => topology?.close(), 60_000)

  const alertIds = () => edges.flatMap((edge) => edge.alertIds)
  const waiting = () => edges.reduce((sum, edge) => sum + edge.waiting, 0)

  /** Every edge works several times a second while `happens` goes on. */
  async function underLoad(happens: () => Promise<void>): Promise<void> {
    const state = { isOver: false }
    const load = (async () => {
      while (!state.isOver) {
        await Promise.all(edges.map((edge) => edge.work(25)))
        await delay(200)
      }
    })()
    try {
      await happens()
    } finally {
      state.isOver = true
      await load
    }
  }

  async function expectEverythingOnce(): Promise<void> {
    await until('every record is acknowledged', () => waiting() === 0, 40_000)
    const ids = alertIds()
    const stored = await topology.stored()
    expect(stored.setAside).toEqual([])
    expect([...stored.alertIds].sort()).toEqual([...ids].sort())
    expect(stored.alertsInIncidents).toBe(ids.length)
    expect(stored.passages).toBe(edges.reduce((sum, edge) => sum + edge.passages, 0))
    for (const [index, screen] of screens.entries()) {
      await until(
        `screen ${index + 1} has heard of everything`,
        () => screen.alerts.size + screen.omitted >= ids.length,
      )
      expect(
        [...screen.alerts.values()].filter((times) => times !== 1),
        'told more than once',
      ).toEqual([])
      expect(screen.alerts.size + screen.omitted).toBe(ids.length)
      expect(screen.resets).toBe(0)
    }
  }

  async function until(
    what: string,
    isTrue: () => boolean | Promise<boolean>,
    timeoutMs = 15_000,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (!(await isTrue())) {
      if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
      await delay(50)
    }
  }

  it('tell screens on both of alerts from every edge, once', async () => {
    expect(await Promise.all(topology.hubs.map((hub) => hub.metric('sockets')))).toEqual([1, 1])
    await underLoad(() => delay(2000))
    await expectEverythingOnce()
    // Both have had their share.
    for (const hub of topology.hubs) {
      const text = await (await fetch(`${hub.url}/metrics`)).text()
      expect(text).toMatch(/^patrolhub_ingest_records_total\{stream="alerts",kind="alert"\} [1-9]/m)
    }
    const { json } = await topology.admin.ask('GET', '/api/devices')
    const states = (json as { edges: { state: string }[] }).edges.map(({ state }) => state)
    expect(states).toEqual(edges.map(() => 'online'))
  }, 40_000)

  it('get the publisher and the viewers of one camera both, so that they meet', async () => {
    const { proxy, admin, hubs } = topology
    const ask = async (method: string, path: string) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      const headers = { cookie: admin.cookie, 'x-patrolhub': '1', authorization: 'Basic ZWRnZTp3cm9uZw==' }
      const asked = request(proxy.url + path, { method, headers, ca: proxy.ca }, (answer) => {
        answer.resume()
        resolve(answer.statusCode!)
      })
      asked.once('error', reject)
      asked.end()
      return promise
    }
    /** Which hub counts one more request of this route while it is asked for. */
    async function hubOf(route: string, method: string, path: string): Promise<number> {
      const counts = () =>
        Promise.all(
          hubs.map(async (hub) => {
            const text = await (await fetch(`${hub.url}/metrics`)).text()
            const lines = text
              .split('\n')
              .filter((line) => line.includes('http_seconds_count') && line.includes(route))
            return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
          }),
        )
      const before = await counts()
      expect([401, 404]).toContain(await ask(method, path))
      const grown = (await counts()).map((count, index) => count - before[index]!)
      expect([...grown].sort()).toEqual([0, 1])
      return grown.indexOf(1)
    }
    const used = new Set<number>()
    // The hubs' ports are drawn: now and then the first cameras are all one hub's.
    for (let number = 1; number <= 4 || (used.size < 2 && number <= 64); number++) {
      const camera = `cam-${number}`
      const live = `/media/live/${randomUUID()}.flv?camera=${camera}`
      const publishedAt = await hubOf('/media/publish/', 'POST', `/media/publish/${camera}`)
      expect(await hubOf('/media/live/', 'GET', live)).toBe(publishedAt)
      used.add(publishedAt)
      if (number > 3) continue
      // Who asks for history or an export, and the edge that answers.
      const history = `/media/history/${randomUUID()}.flv?camera=${camera}&at=1`
      expect(await hubOf('/media/history/', 'GET', history)).toBe(publishedAt)
      const answer = `/media/asked/${randomUUID()}?camera=${camera}`
      expect(await hubOf('/media/asked/', 'POST', answer)).toBe(publishedAt)
      const exported = `/media/exports/${randomUUID()}.tar?camera=${camera}`
      expect(await hubOf('/media/exports/', 'GET', exported)).toBe(publishedAt)
    }
    expect(used).toEqual(new Set([0, 1]))
    // What the hubs keep for those who run them is not for everybody.
    expect(await ask('GET', '/metrics')).toBe(404)
  }, 40_000)

  it('go on as one when the one that runs the timers is killed; its screen finds the other', async () => {
    const leads = await Promise.all(topology.hubs.map((hub) => hub.metric('runs_timers')))
    expect([...leads].sort()).toEqual([0, 1])
    const killed = topology.hubs[leads.indexOf(1)]!
    const left = topology.hubs[leads.indexOf(0)]!
    const before = screens.map(({ connections }) => connections)
    await underLoad(async () => {
      await killed.kill()
      await until('the timers are taken over', async () => (await left.metric('runs_timers')) === 1)
      await until(
        'both screens are at the hub that is left',
        async () => (await left.metric('sockets')) === 2,
      )
    })
    expect(screens.map(({ connections }, index) => connections - before[index]!).sort()).toEqual([0, 1])
    await expectEverythingOnce()
    await killed.start()
    await until('both are ready', async () => (await killed.isReady()) && (await left.isReady()))
  }, 60_000)

  it('lose nothing when the broker, the database or Redis crashes', async () => {
    await underLoad(async () => {
      await topology.mosquitto.kill()
      await until('a hub without its broker is not ready', async () => !(await topology.hubs[0].isReady()))
      await topology.mosquitto.start()
      await topology.redis.kill()
      await delay(500)
      await topology.redis.start()
      await topology.postgres.crash()
      await delay(500)
    })
    await until('both are ready again', async () => {
      const ready = await Promise.all(topology.hubs.map((hub) => hub.isReady()))
      return ready.every(Boolean)
    })
    await expectEverythingOnce()
  }, 90_000)
})
