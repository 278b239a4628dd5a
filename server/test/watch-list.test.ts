/** Plates that are looked for: two people, hashes to the edges, nothing in clear anywhere else. */
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { edgeTopics, type WatchEntry, type WatchList, type WatchListForEdge } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashPlate } from '../src/access/plate-keys.ts'
import { Sealing, secretsKeyOf } from '../src/access/sealing.ts'
import { openRelational } from '../src/adapters/relational/open.ts'
import { auditFeature } from '../src/audit/audit-feature.ts'
import { rehashWatchList } from '../src/watchlist/rehash.ts'
import { type DashboardSession, signIn } from './support/dashboard-session.ts'
import { EdgeClient } from './support/edge-client.ts'
import { runMain, silent, startTestHub, type TestHub, testEnv } from './support/hub.ts'

const HASH_KEY = '0f'.repeat(32)
const PLATE = '豫E·12345'
const hashOf = (text: string) => createHmac('sha256', Buffer.from(HASH_KEY, 'hex')).update(text).digest('hex')

let hub: TestHub
let county: DashboardSession
let second: DashboardSession
let elsewhere: DashboardSession
let operator: DashboardSession
beforeAll(async () => {
  hub = await startTestHub({ PATROLHUB_PLATE_HASH_KEY: HASH_KEY, PATROLHUB_PLATE_READS_PER_HOUR: '1' })
  const person = async (username: string, role: string, scope: string) => {
    const args = ['user', 'add', username, '--role', role, '--scope', scope, '--name', username]
    const { stdout } = await runMain(args, testEnv(hub.dataDir))
    return signIn(hub.url, username, /one-time password: (\S+)/.exec(stdout)![1]!)
  }
  county = await person('county', 'supervisor', '410502')
  second = await person('second', 'supervisor', '4105')
  elsewhere = await person('elsewhere', 'supervisor', '410503')
  operator = await person('operator', 'operator', '410502')
})
afterAll(() => hub.close())

const wish = (more: object = {}) => ({
  plate: PLATE,
  region: '410502',
  severity: 'major',
  reason: 'stolen vehicle',
  instruction: 'stop it, call 110',
  days: 7,
  ...more,
})
const listOf = async (who: DashboardSession) =>
  ((await who.ask('GET', '/api/watch-list')).json as WatchList).items
const entryOf = (answer: { json: unknown }) => answer.json as WatchEntry

describe('the watch list', () => {
  it('takes two people, reaches the edges it is for as hashes, and ends', async () => {
    const token = await hub.addEdge('edge-near', '410502003')
    const farToken = await hub.addEdge('edge-far', '410503001')
    const near = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-near', token })
    const offers: string[] = []
    near.mqtt.on('message', (topic, payload) => {
      if (topic === edgeTopics.watchlist('edge-near')) offers.push(JSON.parse(payload.toString()).sha256)
    })
    await near.mqtt.subscribeAsync(edgeTopics.watchlist('edge-near'), { qos: 1 })
    await near.hello()
    const fetchList = async (edgeId: string, secret: string) => {
      const authorization = `Basic ${Buffer.from(`${edgeId}:${secret}`).toString('base64')}`
      const response = await fetch(`${hub.url}/api/edge/watch-list`, { headers: { authorization } })
      return (await response.json()) as WatchListForEdge
    }
    await expect.poll(() => offers.length).toBe(1)
    expect((await fetchList('edge-near', token)).entries).toEqual([])

    expect((await operator.ask('POST', '/api/watch-list', wish())).status).toBe(403)
    expect((await county.ask('POST', '/api/watch-list', wish({ region: '410503' }))).status).toBe(403)
    expect((await county.ask('POST', '/api/watch-list', wish({ plate: '无车牌??' }))).status).toBe(400)
    const asked = await county.ask('POST', '/api/watch-list', wish())
    const { entryId } = entryOf(asked)
    expect(asked).toMatchObject({
      status: 201,
      json: { state: 'pending', plateMasked: '豫E•••45', isOwn: true },
    })
    expect((await fetchList('edge-near', token)).entries, 'not before somebody agreed').toEqual([])

    const decision = `/api/watch-list/${entryId}/decision`
    expect((await county.ask('POST', decision, { approve: true })).status, 'not one’s own').toBe(403)
    expect((await elsewhere.ask('POST', decision, { approve: true })).status).toBe(404)
    expect((await operator.ask('POST', decision, { approve: true })).status).toBe(403)
    expect(await second.ask('POST', decision, { approve: true })).toMatchObject({
      status: 200,
      json: { state: 'active', decidedBy: 'second' },
    })
    expect((await second.ask('POST', decision, { approve: false })).status, 'only once').toBe(409)
    await expect.poll(() => offers.length).toBe(2)
    const list = await fetchList('edge-near', token)
    expect(list.sha256).toBe(offers[1])
    expect(list.entries).toMatchObject([
      { entryId, plateHash: hashOf('豫E12345'), region: '410502', reason: 'stolen vehicle' },
    ])
    expect((await fetchList('edge-far', farToken)).entries).toEqual([])

    expect((await listOf(operator)).map(({ state }) => state)).toEqual(['active'])
    expect(await listOf(elsewhere)).toEqual([])
    expect((await county.ask('DELETE', `/api/watch-list/${entryId}`)).json).toMatchObject({ state: 'ended' })
    await expect.poll(() => offers.length).toBe(3)
    expect((await fetchList('edge-near', token)).entries).toEqual([])
    await near.close()
  })

  it('is read in clear with a reason, on the record, and is nowhere else in clear', async () => {
    const { entryId } = entryOf(await county.ask('POST', '/api/watch-list', wish({ plate: '京A 88888' })))
    const path = `/api/watch-list/${entryId}/plate`
    expect((await operator.ask('POST', path, { reason: 'curious' })).status).toBe(403)
    expect((await elsewhere.ask('POST', path, { reason: 'curious' })).status).toBe(404)
    expect((await second.ask('POST', path, {})).status).toBe(400)
    expect(await second.ask('POST', path, { reason: 'to compare with the report' })).toMatchObject({
      json: { plate: '京A88888' },
    })
    const again = await second.ask('POST', path, { reason: 'once more' })
    expect(again).toMatchObject({ status: 429, json: { code: 'HUB_PLATE_LIMIT' } })
    const audit = JSON.stringify((await second.ask('GET', '/api/audit')).json)
    expect(audit).toContain('plate.refused')
    expect(audit).toContain('watch.revealed')
    expect(audit).toContain('to compare with the report')
    for (const file of ['hub.sqlite', 'hub.sqlite-wal']) {
      const bytes = await readFile(join(hub.dataDir, file)).catch(() => Buffer.alloc(0))
      expect(bytes.includes('A88888')).toBe(false)
    }
    expect(audit).not.toContain('A88888')
  })
})

it('the watch list gets the hashes of another key, once, and every plate stays what it was', async () => {
  const relational = await openRelational(hub.config, silent)
  try {
    const audit = auditFeature({ config: hub.config, relational })
    const sealing = new Sealing(secretsKeyOf(hub.dataDir))
    const rehash = (key: string) => rehashWatchList({ relational, audit, sealing }, key)
    const hashes = async () => {
      const rows = await relational.read
        .selectFrom('watch_entry')
        .select(['entry_id', 'plate_hash'])
        .execute()
      return new Map(rows.map(({ entry_id, plate_hash }) => [entry_id, plate_hash]))
    }
    const before = await hashes()
    const other = '1e'.repeat(32)
    expect(await rehash(other)).toBe(before.size)
    const { entryId } = entryOf(await county.ask('POST', '/api/watch-list', wish()))
    expect((await hashes()).get(entryId), 'the hub still has the former key').toBe(hashOf('豫E12345'))
    expect(await rehash(other), 'those that have it stay').toBe(1)
    expect((await hashes()).get(entryId)).toBe(hashPlate('豫E12345', other))
    expect(await rehash(HASH_KEY)).toBe(before.size + 1)
    expect(await hashes()).toEqual(new Map([...before, [entryId, hashOf('豫E12345')]]))
    const record = await relational.read.selectFrom('audit').select('action').execute()
    expect(record.filter(({ action }) => action === 'watch.rehashed').length).toBe(3)
  } finally {
    await relational.close()
  }
})

it('a hub without the key of plates says so, and one with a wrong key does not start', async () => {
  const bare = await startTestHub()
  try {
    const admin = await signIn(bare.url, 'admin', bare.oneTimePassword)
    const answer = await admin.ask('POST', '/api/watch-list', wish())
    expect([answer.status, JSON.stringify(answer.json)]).toEqual([
      409,
      expect.stringContaining('PATROLHUB_PLATE_HASH_KEY_FILE'),
    ])
  } finally {
    await bare.close()
  }
  const env = { ...testEnv(bare.dataDir), PATROLHUB_PLATE_HASH_KEY: 'short' }
  const { stderr, code } = await runMain([], env)
  expect(code).not.toBe(0)
  expect(stderr).toContain('PATROLHUB_PLATE_HASH_KEY')
})
