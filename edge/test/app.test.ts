import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AlertRecord,
  deviceTopics,
  type EvidenceRecord,
  type HealthRecord,
  parser,
  RECORD_SCHEMAS,
  type ReadingRecord,
  type ScoreRecord,
} from '@patrolhub/protocol'
import { connectAsync, type MqttClient } from 'mqtt'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { footage, realModel } from './detect/real-input.ts'
import { type EdgeProcess, startEdge } from './support/edge-process.ts'
import { type GstCamera, startGstCamera } from './support/gst-rtsp.ts'
import { passTime } from './support/intake-options.ts'
import { waitFor } from './support/wait.ts'
import { emptyStore, HubDouble, type HubStore } from './uplink/hub-double.ts'

const TOKEN = 'the-token-of-edge-1'

let folder: string
let store: HubStore
let hub: HubDouble
let http: Server
let uploads: string[]
let edges: EdgeProcess[]
let clients: MqttClient[]
let camera: GstCamera | undefined

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-edge-'))
  store = emptyStore()
  hub = await HubDouble.start({ store, token: TOKEN })
  uploads = []
  http = createServer((request, response) => {
    request.resume().on('end', () => {
      uploads.push(`${request.method} ${request.url}`)
      response.writeHead(204).end()
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  edges = []
  clients = []
})
afterEach(async () => {
  for (const client of clients) await client.endAsync(true)
  for (const { child, ended } of edges) {
    child.kill('SIGKILL')
    await ended
  }
  await camera?.stop()
  camera = undefined
  await hub.kill()
  http.closeAllConnections()
  http.close()
  rmSync(folder, { recursive: true, force: true })
})

const rule = { threshold: 0.6, severity: 'minor', cooldownSeconds: 60, warmUpValues: 10 }

function writeConfig(overrides: Record<string, unknown> = {}): string {
  const { port } = http.address() as { port: number }
  const file = join(folder, 'edge.yaml')
  writeFileSync(
    file,
    stringify({
      edgeId: 'edge-1',
      region: '410502',
      dataDir: 'data',
      hub: { url: `http://127.0.0.1:${port}`, mqttUrl: `mqtt://127.0.0.1:${hub.port}`, token: TOKEN },
      detector: { workers: 1 },
      intake: {
        host: '127.0.0.1',
        port: 0,
        devices: [
          { deviceId: 'gate', password: 'gate-password' },
          { deviceId: 'river', password: 'river-password' },
        ],
      },
      healthSeconds: 1,
      checkpoints: [
        { checkpointId: 'gate', name: 'Gate', region: '410502003', lanes: 2, flowWindowSeconds: 1, rule },
      ],
      sensors: [
        { sensorId: 'river', name: 'River', region: '410502003', quantity: 'water_level', unit: 'm', rule },
      ],
      ...overrides,
    }),
  )
  return file
}

function start(...args: string[]): EdgeProcess {
  return startWith({}, ...args)
}

function startWith(options: Parameters<typeof startEdge>[1], ...args: string[]): EdgeProcess {
  const edge = startEdge(args, options)
  edges.push(edge)
  return edge
}

async function running(
  config: string,
  options?: Parameters<typeof startEdge>[1],
): Promise<{ edge: EdgeProcess; intakePort: number }> {
  const edge = startWith(options, '--config', config)
  let intakePort = 0
  await waitFor(
    'the edge runs',
    () => {
      if (edge.child.exitCode !== null) throw new Error(`the edge has ended: ${edge.output()}`)
      const line = edge.logged().find(({ msg }) => msg === 'edge started')
      intakePort = Number(line?.intakePort ?? 0)
      return line !== undefined
    },
    { deadlineMs: 20_000 },
  )
  return { edge, intakePort }
}

async function device(deviceId: string, intakePort: number): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${intakePort}`, {
    username: deviceId,
    password: `${deviceId}-password`,
    reconnectPeriod: 0,
  })
  client.on('error', () => undefined)
  clients.push(client)
  return client
}

/** How many processes have this word among their arguments. */
function runningWith(word: string): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word)
    } catch {
      // It has ended in the meantime.
      return false
    }
  }).length
}

const ofKind = <T>(kind: string) =>
  [...store.records.alerts, ...store.records.measurements].filter(
    (record) => (record as { kind: string }).kind === kind,
  ) as T[]

describe('the command', () => {
  it('shows every setting with --help, and says what is missing', async () => {
    const help = start('--help')
    expect(await help.ended).toBe(0)
    expect(help.output()).toContain('cameras[].rules[intrusion].minSeconds')
    const none = start()
    expect(await none.ended).toBe(2)
    expect(none.output()).toContain('--config FILE is missing')
    const unknown = start('--confg')
    expect(await unknown.ended).toBe(2)
    expect(unknown.output()).toContain('--confg')
  })

  it('lists every problem of a wrong configuration and starts nothing', async () => {
    const config = writeConfig({ healthSeconds: 0, detectr: {}, cameras: [{ cameraId: 'c' }] })
    const edge = start('--config', config)
    expect(await edge.ended).toBe(1)
    for (const place of ['EDGE_CONFIG', 'detectr: unknown', 'healthSeconds:', 'cameras/0/url: is missing']) {
      expect(edge.output()).toContain(place)
    }
    const check = start('--check', '--config', writeConfig())
    expect(await check.ended).toBe(0)
    expect(check.output()).toContain('1 checkpoint(s), 1 sensor(s)')
  })

  it('names the setting when the port for devices is taken', async () => {
    const taken = createTcpServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const edge = start('--config', writeConfig({ intake: { host: '127.0.0.1', port, devices: [] } }))
    expect(await edge.ended).toBe(1)
    taken.close()
    expect(edge.output()).toMatch(new RegExp(`EDGE_PORT_IN_USE: Port ${port} .*intake\\.port`))
  })

  it('refuses to share a data folder', async () => {
    const config = writeConfig()
    const { edge } = await running(config)
    const second = start('--config', config)
    expect(await second.ended).toBe(1)
    expect(second.output()).toContain('EDGE_DATA_IN_USE')
    edge.child.kill('SIGTERM')
    expect(await edge.ended).toBe(0)
  })

  it('refuses a damaged signal model with both hashes', async () => {
    const models = join(folder, 'models')
    const path = join(models, 'signal-novelty.onnx')
    const original = join(import.meta.dirname, '../../models/signal-novelty/signal-novelty.onnx')
    mkdirSync(models)
    writeFileSync(path, readFileSync(original).subarray(0, 2000))
    const edge = start('--config', writeConfig({ detector: { modelFolders: ['models'] } }))
    expect(await edge.ended).toBe(1)
    expect(edge.output()).toMatch(/EDGE_MODEL_HASH.*signal-novelty\.onnx/)
  })
})

describe('a running edge', () => {
  it('brings passages, readings, scores, alerts and its health to the hub, and ends cleanly', async () => {
    const { edge, intakePort } = await running(writeConfig())
    const river = await device('river', intakePort)
    const gate = await device('gate', intakePort)
    const passage = JSON.stringify({
      LaneNo: 1,
      PassTime: passTime(),
      Speed: '55',
      PlateNo: '豫E12345',
    })
    for (let index = 0; index < 30; index++) {
      const value = 3 + 0.01 * Math.sin(index)
      await river.publishAsync(
        deviceTopics.readings('river'),
        JSON.stringify({ quantity: 'water_level', value }),
        {
          qos: 1,
        },
      )
    }
    const traffic = setInterval(() => gate.publish(deviceTopics.passages('gate'), passage, { qos: 1 }), 100)
    await river.publishAsync(deviceTopics.readings('river'), '{"quantity":"water_level","value":5}', {
      qos: 1,
    })
    await river.publishAsync(deviceTopics.readings('river'), 'nonsense', { qos: 1 })

    await waitFor('the alert arrives', () => ofKind('alert').length > 0)
    const alert = ofKind<AlertRecord>('alert')[0]!
    expect(parser(RECORD_SCHEMAS.alert)(alert)).toMatchObject({ ok: true })
    expect(alert).toMatchObject({
      deviceId: 'river',
      deviceKind: 'sensor',
      rule: 'signal-anomaly',
      facts: { series: 'water_level', value: 5, side: 'above' },
      model: { id: 'signal-novelty' },
    })
    expect(alert.reason).toMatch(
      /^water_level of River is 5 m, above the expected 2\.\d+ to 3\.\d+ m: a sudden value/,
    )
    await waitFor('flow and speed are scored', () => {
      const series = new Set(ofKind<ScoreRecord>('score').map((score) => score.series))
      return series.has('flow') && series.has('speed') && series.has('water_level')
    })
    clearInterval(traffic)
    for (const score of ofKind<ScoreRecord>('score')) {
      expect(parser(RECORD_SCHEMAS.score)(score)).toMatchObject({ ok: true })
    }
    expect(ofKind('passage').length).toBeGreaterThan(10)
    expect(ofKind('reading')).toHaveLength(31)
    expect(JSON.stringify(store.records), 'without keys plates are dropped').not.toContain('12345')
    await waitFor('health tells of the refused message', () =>
      ofKind<HealthRecord>('health').some((health) => health.refusedMessages === 1),
    )
    const health = ofKind<HealthRecord>('health').at(-1)!
    expect(health).toMatchObject({ recording: { droppedPictures: 0, lostSegments: 0 }, evidencePending: 0 })
    expect(health.box!.diskFreeMb).toBeGreaterThan(0)
    expect(hub.hellos[0]).toMatchObject({
      checkpoints: [{ checkpointId: 'gate', lanes: 2 }],
      sensors: [{ sensorId: 'river', unit: 'm' }],
    })
    expect(hub.problems).toEqual([])

    edge.child.kill('SIGTERM')
    expect(await edge.ended).toBe(0)
    expect(edge.output()).not.toContain(TOKEN)
    expect(edge.output()).not.toContain('river-password')
    await waitFor('the hub knows that it is gone', () => hub.statuses.at(-1) === 'offline')
  })

  it('says in its log what fault has ended it, and says goodbye to the hub', async () => {
    const fault = "process.on('SIGUSR2', () => { void Promise.reject(new Error('an injected fault')) })"
    const { edge } = await running(writeConfig(), { nodeArgs: ['--import', `data:text/javascript,${fault}`] })
    await waitFor('online', () => hub.statuses.at(-1) === 'online')
    edge.child.kill('SIGUSR2')
    expect(await edge.ended).toBe(1)
    const last = edge.logged().find(({ level }) => level === 60)
    expect(last).toMatchObject({ msg: 'a fault ends the edge', err: { message: 'an injected fault' } })
    await waitFor('offline', () => hub.statuses.at(-1) === 'offline')
  })

  it('leaves in time when its cameras let go slowly, and at once at a second signal, never by an abort', async () => {
    await realModel('centernet')
    // An ffmpeg that hangs: it answers what it can do, and then ignores what it is asked.
    const path = join(folder, 'ffmpeg')
    const marker = `60.${process.pid}`
    const real = execFileSync('/bin/sh', ['-c', 'command -v ffmpeg'], { encoding: 'utf8' }).trim()
    const script = `case "$*" in *rtsp:*) trap '' TERM; exec sleep ${marker};; *) exec ${real} "$@";; esac`
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    const config = writeConfig({
      cameras: Array.from({ length: 6 }, (_, index) => ({
        cameraId: `cam-${index}`,
        name: 'Square',
        region: '410502003201',
        sensitivity: 'public',
        url: `rtsp://127.0.0.1:1/${index}`,
      })),
    })
    const hanging = () => runningWith(marker)
    for (const signals of [['SIGTERM'], ['SIGTERM', 'SIGINT']] as const) {
      const { edge } = await running(config, { env: { FFMPEG_PATH: path } })
      await waitFor('every camera has its ffmpeg', () => hanging() === 6)
      for (const signal of signals) edge.child.kill(signal)
      const startMs = performance.now()
      expect(await edge.ended).toBe(signals.length === 1 ? 0 : null)
      expect(edge.child.signalCode).toBe(signals.length === 1 ? null : 'SIGKILL')
      expect(performance.now() - startMs).toBeLessThan(signals.length === 1 ? 6000 : 1000)
      expect(hanging()).toBe(0)
    }
  })

  it('loses and doubles nothing that it has acknowledged to a device when it is killed', async () => {
    const config = writeConfig()
    let sent = 0
    const unacknowledged = new Set<number>()
    for (let life = 0; life < 3; life++) {
      const { edge, intakePort } = await running(config)
      const river = await device('river', intakePort)
      const gone = new Promise<void>((resolve) => river.once('close', () => resolve()))
      let isGone = false
      void gone.then(() => {
        isGone = true
      })
      const first = sent
      while (!isGone) {
        const reading = JSON.stringify({ quantity: 'water_level', value: sent })
        const published = river
          .publishAsync(deviceTopics.readings('river'), reading, { qos: 1 })
          .then(() => true)
        const isAcknowledged = await Promise.race([published, gone.then(() => false)])
        // What was not acknowledged may have been kept all the same; the next value tells it apart.
        sent += 1
        if (!isAcknowledged) unacknowledged.add(sent - 1)
        if (sent - first === 200) edge.child.kill('SIGKILL')
      }
      await edge.ended
    }
    const { edge } = await running(config)
    const values = () => ofKind<ReadingRecord>('reading').map(({ value }) => value)
    await waitFor('all have arrived', () => values().includes(sent - 2))
    const kept = values().filter((value) => !unacknowledged.has(value))
    const expected = Array.from({ length: sent }, (_, value) => value)
    expect(kept).toEqual(expected.filter((value) => !unacknowledged.has(value)))
    expect(new Set(values()).size, 'none twice').toBe(values().length)
    edge.child.kill('SIGTERM')
    await edge.ended
  })

  it('sees people in a real camera stream, raises an intrusion and uploads its snapshot', async () => {
    const clip = footage('vtest.avi')
    if (!clip) return
    await realModel('centernet')
    // Motion JPEG: GStreamer reads it without its libav plug-in.
    const readable = join(folder, 'clip.mkv')
    execFileSync('ffmpeg', ['-v', 'error', '-t', '30', '-i', clip, '-c:v', 'mjpeg', '-q:v', '3', readable])
    camera = await startGstCamera({ clip: readable })
    const config = writeConfig({
      cameras: [
        {
          cameraId: 'square',
          name: 'Square',
          region: '410502003201',
          sensitivity: 'public',
          url: camera.url,
          analysisFps: 5,
          rules: [
            {
              kind: 'intrusion',
              name: 'lawn',
              zone: [
                [0, 0.2],
                [1, 0.2],
                [1, 1],
                [0, 1],
              ],
              severity: 'major',
            },
          ],
        },
      ],
    })
    const { edge } = await running(config)
    await waitFor('an intrusion arrives', () => ofKind('alert').length > 0, { deadlineMs: 25_000 })
    const alert = ofKind<AlertRecord>('alert')[0]!
    expect(parser(RECORD_SCHEMAS.alert)(alert)).toMatchObject({ ok: true })
    expect(alert).toMatchObject({
      deviceId: 'square',
      deviceKind: 'camera',
      rule: 'intrusion',
      ruleName: 'lawn',
    })
    expect(hub.hellos[0]?.detector?.id).toBe(alert.model?.id)
    await waitFor('its snapshot is announced and uploaded', () => {
      const evidence = ofKind<EvidenceRecord>('evidence').find(({ alertId }) => alertId === alert.alertId)
      return evidence !== undefined && uploads.includes(`PUT /api/edge/evidence/${evidence.evidenceId}`)
    })
    await waitFor('the camera is reported online', () =>
      ofKind<HealthRecord>('health').some(({ cameras }) => cameras[0]?.state === 'online'),
    )
    edge.child.kill('SIGTERM')
    expect(await edge.ended).toBe(0)
  }, 60_000)
})
