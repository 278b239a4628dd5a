import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AlertRecord,
  edgeTopics,
  type HistoryCommand,
  type ReadingRecord,
  type RelayCommand,
} from '@patrolhub/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EdgeError } from '../../src/errors.ts'
import { Journal } from '../../src/journal/journal.ts'
import { Uplink, type UplinkOptions } from '../../src/uplink/uplink.ts'
import { waitFor } from '../support/wait.ts'
import { emptyStore, HubDouble, type HubDoubleOptions, type HubStore } from './hub-double.ts'

const TOKEN = 'the-token-of-edge-1'
const EDGE_ID = 'edge-1'
const FAST = {
  lingerMs: 20,
  answerMs: 200,
  maxAnswerMs: 800,
  minHelloMs: 20,
  reconnectMinMs: 20,
  reconnectMaxMs: 100,
}

let dataDir: string
let journal: Journal
let store: HubStore
let hub: HubDouble
let uplink: Uplink | undefined
let logged: string[]
let log: pino.Logger
const relays: RelayCommand[] = []
const histories: HistoryCommand[] = []

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'patrolhub-uplink-'))
  logged = []
  log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })
  journal = new Journal({ dataDir, maxBytes: 64 * 1024 ** 2, log })
  await journal.start()
  store = emptyStore()
  relays.length = 0
  histories.length = 0
  hub = await startHub()
})
afterEach(async () => {
  await uplink?.close()
  uplink = undefined
  await hub.kill()
  await journal.close()
  rmSync(dataDir, { recursive: true, force: true })
})

const startHub = (options: Partial<HubDoubleOptions> = {}) =>
  HubDouble.start({ store, token: TOKEN, ...options })

function connect(options: Partial<UplinkOptions> = {}): Uplink {
  uplink = new Uplink({
    edgeId: EDGE_ID,
    token: TOKEN,
    mqttUrl: `mqtt://127.0.0.1:${hub.port}`,
    journal,
    describe: () => ({ software: 'test', region: '4105', cameras: [], checkpoints: [], sensors: [] }),
    onRelay: (command) => relays.push(command),
    onHistory: (command) => histories.push(command),
    log,
    timing: FAST,
    ...options,
  })
  uplink.start()
  return uplink
}

const reading = (value: number): ReadingRecord => ({
  kind: 'reading',
  atMs: 1_760_000_000_000,
  deviceId: 's1',
  region: '4105',
  quantity: 'smoke',
  value,
  unit: '',
})
const alert = (reason: string) => ({ kind: 'alert', reason }) as unknown as AlertRecord
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
const storedValues = () => store.records.measurements.map((record) => (record as ReadingRecord).value)
const isEmpty = () => journal.stats().records === 0

describe('the uplink', () => {
  it('brings both streams to the hub in order, once, and empties the journal', async () => {
    await journal.appendAll(numbers(1, 1300).map(reading))
    connect()
    await journal.append(alert('one'))
    await journal.appendAll(numbers(1301, 1310).map(reading))
    await journal.append(alert('two'))
    await waitFor('everything is acknowledged', isEmpty)
    expect(storedValues()).toEqual(numbers(1, 1310))
    expect(store.records.alerts).toMatchObject([{ reason: 'one' }, { reason: 'two' }])
    expect(hub.batches.filter(({ stream }) => stream === 'measurements').length).toBeLessThan(8)
    expect(hub.hellos[0]).toMatchObject({ epoch: journal.epoch, software: 'test' })
    expect(hub.problems).toEqual([])
  })

  it('sends an alert at once while measurements wait for their answers', async () => {
    hub.answers.measurements = 0
    await journal.appendAll(numbers(1, 5000).map(reading))
    connect({ timing: { ...FAST, answerMs: 60_000, maxAnswerMs: 60_000 } })
    await waitFor('measurements are in flight', () => hub.batches.length === 2)
    const at = performance.now()
    await journal.append(alert('now'))
    await waitFor('the alert is stored', () => store.records.alerts.length === 1)
    expect(performance.now() - at).toBeLessThan(500)
    expect(hub.batches.filter(({ stream }) => stream === 'measurements')).toHaveLength(2)
  })

  it('loses and doubles nothing when the hub is killed again and again', async () => {
    connect()
    const { port } = hub
    let value = 0
    for (let life = 0; life < 8; life++) {
      const until = performance.now() + 30 + 25 * life
      while (performance.now() < until) {
        await journal.appendAll(Array.from({ length: 20 }, () => reading(++value)))
        if (value % 60 === 0) await journal.append(alert(String(value)))
      }
      await hub.kill()
      hub = await startHub({ port })
      // Some of these lives commit without telling anybody: the answer dies with the hub.
      if (life % 2 === 0) hub.answers = { alerts: 0, measurements: 0 }
    }
    hub.answers = { alerts: 1, measurements: 1 }
    await waitFor('everything is acknowledged', isEmpty)
    expect(storedValues()).toEqual(numbers(1, value))
    const reasons = store.records.alerts.map((record) => (record as AlertRecord).reason)
    expect(reasons).toEqual(
      numbers(1, value)
        .filter((n) => n % 60 === 0)
        .map(String),
    )
  })

  it('is not confused by a batch that is answered twice', async () => {
    hub.answers = { alerts: 2, measurements: 3 }
    connect()
    for (let value = 1; value <= 60; value++) await journal.append(reading(value))
    await waitFor('everything is acknowledged', isEmpty)
    expect(storedValues()).toEqual(numbers(1, 60))
  })

  it('asks a hub that committed but did not answer, and does not send again what it has', async () => {
    hub.answers.measurements = 0
    connect()
    await journal.appendAll(numbers(1, 10).map(reading))
    await waitFor('the journal learns of the commit by a hello', isEmpty)
    expect(storedValues()).toEqual(numbers(1, 10))
    expect(hub.batches).toHaveLength(1)
    expect(hub.hellos.length).toBeGreaterThan(1)
  })

  it('sends a batch again that was lost on the way', async () => {
    connect()
    await waitFor('connected', () => hub.hellos.length === 1)
    hub.batchesToLose = 1
    await journal.appendAll(numbers(1, 1000).map(reading))
    await waitFor('everything is acknowledged', isEmpty)
    expect(storedValues()).toEqual(numbers(1, 1000))
  })

  it('says hello again to a hub that has forgotten its epoch', async () => {
    connect()
    await waitFor('connected', () => hub.hellos.length === 1)
    store.epochs.clear()
    await journal.append(reading(1))
    await waitFor('everything is acknowledged', isEmpty)
    expect(storedValues()).toEqual([1])
    expect(hub.hellos).toHaveLength(2)
  })

  it('gives up a connection on which nobody answers its hellos', async () => {
    hub.answersHellos = false
    const link = connect({ timing: { ...FAST, answerMs: 20, maxAnswerMs: 20 } })
    await journal.append(reading(1))
    await waitFor('it connects anew', () => link.stats().connections > 1)
    hub.answersHellos = true
    await waitFor('everything is acknowledged', isEmpty)
  })

  it('begins a new epoch, and loses nothing, when the hub is ahead of its journal', async () => {
    const before = journal.epoch
    store.epochs.add(before)
    store.cursors.set(`measurements ${before}`, 500)
    await journal.appendAll(numbers(1, 20).map(reading))
    connect()
    await waitFor('everything is acknowledged', isEmpty)
    expect(journal.epoch).not.toBe(before)
    expect(storedValues()).toEqual(numbers(1, 20))
  })

  it('tries again when the disk refuses to begin a new epoch', async () => {
    class Reluctant extends Journal {
      refusals = 1
      override async renewEpoch(): Promise<void> {
        if (this.refusals-- > 0) throw new EdgeError('EDGE_DISK', 'the disk is full')
        await super.renewEpoch()
      }
    }
    await journal.close()
    journal = new Reluctant({ dataDir, maxBytes: 64 * 1024 ** 2, log })
    await journal.start()
    store.epochs.add(journal.epoch)
    store.cursors.set(`measurements ${journal.epoch}`, 500)
    await journal.append(reading(1))
    connect()
    await waitFor('everything is acknowledged', isEmpty)
    expect(logged.join()).toContain('the disk is full')
  })

  it('declares what it no longer has to a hub that has gone back', async () => {
    connect()
    await journal.appendAll(numbers(1, 10).map(reading))
    await waitFor('everything is acknowledged', isEmpty)
    await uplink?.close()
    store.cursors.set(`measurements ${journal.epoch}`, 4)
    connect()
    await waitFor('the hub is told', () => store.lost.length === 1)
    expect(store.lost[0]).toMatchObject({ fromSeq: 5, toSeq: 10 })
    await journal.append(reading(11))
    await waitFor('it goes on', () => storedValues().at(-1) === 11)
  })

  it('reports itself online, and offline when it closes or is cut off', async () => {
    const link = connect()
    await waitFor('online', () => hub.statuses.at(-1) === 'online')
    await link.close()
    await waitFor('offline', () => hub.statuses.at(-1) === 'offline')
    expect(link.stats().isConnected).toBe(false)
  })

  it('hands on relay commands and refuses what is none', async () => {
    const link = connect()
    await waitFor('connected', () => hub.hellos.length === 1)
    hub.send(edgeTopics.relay(EDGE_ID), '{"action":"start"}')
    hub.send(edgeTopics.relay(EDGE_ID), 'no json')
    // With the hub's address in front this would be another host, which would get the edge's credential.
    const elsewhere = {
      ...{ action: 'start', cameraId: 'cam-1', rendition: 'source' },
      ...{ publishPath: '@elsewhere/x', forSeconds: 1 },
    }
    hub.send(edgeTopics.relay(EDGE_ID), JSON.stringify(elsewhere))
    hub.send(edgeTopics.cursor(EDGE_ID), '{"stream":"other"}')
    hub.send(edgeTopics.relay(EDGE_ID), '{"action":"stop","cameraId":"cam-1","rendition":"h264"}')
    hub.send(edgeTopics.history(EDGE_ID), '{"action":"play","askId":"no id"}')
    const stop = { action: 'stop', askId: '0e9a32f5-57f3-4a6a-a4e4-0d9b0a3f2c11' } as const
    hub.send(edgeTopics.history(EDGE_ID), JSON.stringify(stop))
    await waitFor('the commands have come', () => relays.length === 1 && histories.length === 1)
    expect(histories).toEqual([stop])
    expect(relays).toEqual([{ action: 'stop', cameraId: 'cam-1', rendition: 'h264' }])
    expect(link.stats().refusedMessages).toBe(5)
  })

  it('says once that it is refused, and connects when the hub knows it', async () => {
    const { port } = hub
    await hub.kill()
    hub = await startHub({ port, token: 'another-token' })
    connect()
    const complaints = () => logged.filter((line) => line.includes('cannot reach the hub'))
    await waitFor('it has been refused again and again', () => hub.refusedConnections >= 4)
    expect(complaints()).toHaveLength(1)
    expect(complaints()[0]).toMatch(/not authorized/i)
    expect(logged.join()).not.toContain(TOKEN)
    await hub.kill()
    hub = await startHub({ port })
    await waitFor('connected', () => hub.hellos.length > 0)
  })

  it('closes at once while the hub is away or does not speak MQTT', async () => {
    const { createServer } = await import('node:net')
    const mute = createServer()
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as import('node:net').AddressInfo
    const accepted = new Promise((resolve) => mute.once('connection', resolve))
    const link = connect({ mqttUrl: `mqtt://127.0.0.1:${port}` })
    await accepted
    const at = performance.now()
    await link.close()
    expect(performance.now() - at).toBeLessThan(1000)
    mute.close()
  })

  it('speaks TLS to a hub of a private authority, and to no other', async () => {
    const key = join(dataDir, 'key.pem')
    const cert = join(dataDir, 'cert.pem')
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
      ],
      { stdio: 'ignore' },
    )
    await hub.kill()
    hub = await startHub({ tls: { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') } })
    const mqttUrl = `mqtts://127.0.0.1:${hub.port}`
    connect({ mqttUrl })
    await waitFor('it refuses an authority it does not know', () =>
      logged.some((line) => line.includes('self-signed')),
    )
    await uplink?.close()
    connect({ mqttUrl, ca: readFileSync(cert, 'utf8') })
    await journal.append(reading(1))
    await waitFor('everything is acknowledged', isEmpty)
  })
})
