/**
 * The streams feature on a real hub's HTTP server, with the real store, sockets and media server, and what stands at
 * both ends of a stream: edges that publish what ffmpeg encodes, and players that read FLV.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type {
  Changes,
  Grant,
  HistoryCommand,
  RelayCommand,
  Rendition,
  Role,
  Sensitivity,
} from '@patrolhub/protocol'
import {
  encodeFlvHeader,
  FlvReader,
  type FlvTag,
  isAudioSequenceHeader,
  readVideoPacket,
} from '@patrolhub/protocol/flv'
import { pino } from 'pino'
import { io, type Socket } from 'socket.io-client'
import { accessFeature } from '../../src/access/access-feature.ts'
import { hashToken, newToken } from '../../src/access/token.ts'
import { openRelational } from '../../src/adapters/relational/open.ts'
import { auditFeature } from '../../src/audit/audit-feature.ts'
import { ChangeLog } from '../../src/changes/changes.ts'
import { changesFeature } from '../../src/changes/changes-feature.ts'
import { type HubConfig, loadConfig } from '../../src/config.ts'
import { devicesFeature } from '../../src/devices/devices.ts'
import type { ExportLimits } from '../../src/exports/exports.ts'
import { exportsFeature } from '../../src/exports/exports-feature.ts'
import { createHttpServer } from '../../src/http.ts'
import { incidentsFeature } from '../../src/incidents/incidents-feature.ts'
import { createMetrics } from '../../src/metrics.ts'
import { plansFeature } from '../../src/plans/plans-feature.ts'
import { NO_WAKEUPS } from '../../src/ports/wakeups.ts'
import { pushFeature } from '../../src/push/push-feature.ts'
import type { StreamLimits } from '../../src/streams/limits.ts'
import { PictureCache } from '../../src/streams/picture-cache.ts'
import { streamsFeature } from '../../src/streams/streams-feature.ts'
import { addAccount, openSession } from './accounts.ts'
import { engineEnv } from './postgres.ts'

export interface Viewer {
  userId: string
  cookie: string
  sessionHash: string
}

export type StreamsHub = Awaited<ReturnType<typeof startStreamsHub>>
/** What an edge needs of a hub: where it is, and its commands. */
export interface RelayingHub {
  url: string
  onRelay(listener: RelayListener): void
}
type HistoryListener = (edgeId: string, command: HistoryCommand) => void
type RelayListener = (edgeId: string, command: RelayCommand) => void

/** `beside`: on the same store as that hub, which has to be PostgreSQL. */
export async function startStreamsHub(
  options: {
    limits?: Partial<StreamLimits>
    exportLimits?: Partial<ExportLimits>
    folder?: string
    beside?: { config: HubConfig }
  } = {},
) {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'patrolhub-streams-')))
  const log = pino({ level: process.env.PATROLHUB_TEST_LOG ?? 'silent' })
  const own = { PATROLHUB_DATA_DIR: folder, PATROLHUB_REQUIRE_SECOND_FACTOR_FOR: 'none' }
  const config = options.beside
    ? { ...options.beside.config, dataDir: folder }
    : loadConfig({ env: { ...own, ...(await engineEnv()) } })
  const relational = await openRelational(config, log)
  const clock = { offsetMs: 0 }
  const now = () => Date.now() + clock.offsetMs
  const audit = auditFeature({ config, relational, now })
  const access = accessFeature({ config, relational, audit, log, now })
  const changes = new ChangeLog(now)
  const push = pushFeature({
    config,
    access,
    log,
    missed: (since, upTo) => changeFeed.missed(since, upTo),
  })
  const relays: { edgeId: string; command: RelayCommand; atMs: number }[] = []
  const relayListeners = new Set<RelayListener>()
  const asked: { edgeId: string; command: HistoryCommand }[] = []
  const historyListeners = new Set<HistoryListener>()
  const streams = streamsFeature({
    config,
    hubId: randomUUID(),
    relational,
    audit,
    changes,
    access,
    log,
    now,
    ...(options.limits ? { limits: options.limits } : {}),
    sendRelay(edgeId, command) {
      relays.push({ edgeId, command, atMs: performance.now() })
      for (const listener of relayListeners) listener(edgeId, command)
    },
    sendHistory(edgeId, command) {
      asked.push({ edgeId, command })
      for (const listener of historyListeners) listener(edgeId, command)
    },
  })
  const exports = exportsFeature({
    config,
    hubId: randomUUID(),
    relational,
    audit,
    access,
    history: streams.history,
    log,
    now,
    ...(options.exportLimits ? { limits: options.exportLimits } : {}),
  })
  const plans = plansFeature({ relational, audit, changes, access, streams, log, now })
  const incidents = incidentsFeature({
    config,
    relational,
    audit,
    changes,
    now,
    // No edge sends anything here, and no team is sent.
    evidenceOfAlerts: async () => new Map(),
    dispatchesOf: async () => [],
    recallDispatches: async () => [],
  })
  const changeFeed = changesFeature({
    relational,
    changes,
    wakeups: NO_WAKEUPS,
    mayHaveOthers: true,
    push,
    log,
    access,
    streams,
    plans,
    devices: devicesFeature({ relational, changes, audit, log, offerSettings: () => {} }),
    incidents,
    // Nothing of these happens here.
    dispatches: { views: async () => [] },
    evidence: { completeOf: async () => [] },
  })
  const app = await createHttpServer({ config, metrics: createMetrics(), log, checks: {} }, (instance) =>
    access.guard(instance),
  )
  await app.register(access.routes)
  await app.register(streams.routes)
  await app.register(exports.routes)
  await app.register(plans.routes)
  await app.register(incidents.routes)
  push.attach(app.server)
  await streams.sweepViewings([])
  await streams.start()
  await exports.start()
  await changeFeed.start()
  plans.start()
  await access.start()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const sockets: Socket[] = []

  async function viewer(role: Role = 'operator', scope = '410502'): Promise<Viewer> {
    const userId = randomUUID()
    const displayName = `Name of ${userId.slice(0, 8)}`
    await addAccount(relational, { userId, displayName, role, scope, nowMs: now() })
    return { userId, ...(await signIn(userId)) }
  }

  const signIn = (userId: string) => openSession(relational, userId, now())

  /** An edge with its credential and cameras. */
  async function edge(
    cameras: readonly { cameraId: string; sensitivity?: Sensitivity; region?: string }[],
    region = '410502003',
  ) {
    const edgeId = `edge-${randomUUID().slice(0, 8)}`
    const token = newToken()
    const row = {
      edge_id: edgeId,
      name: edgeId,
      region,
      token_hash: hashToken(token),
      state: 'online',
      last_seen_at_ms: null,
      software: '',
      detector_id: null,
    }
    await relational.write.insertInto('edge').values(row).execute()
    for (const camera of cameras) {
      const device = {
        device_id: camera.cameraId,
        edge_id: edgeId,
        kind: 'camera',
        region: camera.region ?? region,
        name: `Camera ${camera.cameraId}`,
        sensitivity: camera.sensitivity ?? 'public',
        description: '{}',
        health: null,
        updated_at_ms: now(),
      } as const
      await relational.write.insertInto('device').values(device).execute()
    }
    return { edgeId, authorization: `Basic ${Buffer.from(`${edgeId}:${token}`).toString('base64')}` }
  }

  /** An incident on the books; moved by the hub's own routes. */
  async function incident(region = '410502003', state = 'reported'): Promise<string> {
    const incidentId = randomUUID()
    const row = {
      incident_id: incidentId,
      number: incidentId.slice(0, 12),
      region,
      state,
      severity: 'major',
      rule: 'intrusion',
      device_id: 'pub',
      device_kind: 'camera',
      reason: 'somebody climbed the fence',
      opened_at_ms: now(),
      last_alert_at_ms: now(),
      updated_at_ms: now(),
      alert_count: 1,
      snapshot_id: null,
      is_drill: 0,
    } as const
    await relational.write.insertInto('incident').values(row).execute()
    return incidentId
  }

  async function ask(who: Viewer | undefined, method: string, path: string, body?: unknown) {
    const response = await fetch(url + path, {
      method,
      headers: {
        'x-patrolhub': '1',
        ...(who ? { cookie: who.cookie } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    // biome-ignore lint/suspicious/noExplicitAny: answers of many kinds, each looked at by its test
    return { status: response.status, json: (text === '' ? undefined : JSON.parse(text)) as any }
  }

  async function grant(who: Viewer, cameraId: string, more: Record<string, unknown> = {}): Promise<Grant> {
    const wish = { cameraId, purpose: 'alert_check', minutes: 10, ...more }
    const { status, json } = await ask(who, 'POST', '/api/grants', wish)
    if (status !== 201) throw new Error(`no grant: ${status} ${JSON.stringify(json)}`)
    return json
  }

  /** Hears what is pushed to this person. */
  async function listen(who: Viewer) {
    const options = { transports: ['websocket'], forceNew: true, extraHeaders: { cookie: who.cookie } }
    const socket = io(url, options)
    sockets.push(socket)
    const heard: Grant[] = []
    socket.on('changes', ({ events }: Changes) => {
      for (const { event, payload } of events) if (event === 'grant') heard.push(payload)
    })
    await new Promise<void>((resolve, reject) => socket.on('connect', resolve).on('connect_error', reject))
    return heard
  }

  return {
    url,
    rootScope: config.rootScope,
    config,
    folder,
    relational,
    audit,
    streams,
    exports,
    plans,
    access,
    app,
    clock,
    relays,
    onRelay: (listener: RelayListener) => void relayListeners.add(listener),
    /** What edges were asked about their recordings, in order. */
    asked,
    onHistory: (listener: HistoryListener) => void historyListeners.add(listener),
    viewer,
    openSession: signIn,
    edge,
    incident,
    ask,
    grant,
    listen,
    viewings: () => relational.read.selectFrom('viewing').selectAll().orderBy('opened_at_ms').execute(),
    play: (who: Viewer | undefined, path: string) => new TestPlayer(url + path, who?.cookie),
    async stop() {
      for (const socket of sockets) socket.disconnect()
      await push.close()
      await app.close()
      await changeFeed.close()
      await exports.close()
      await plans.close()
      await streams.close()
      await access.close()
      await relational.close()
    },
    async close() {
      await this.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Reads FLV over HTTP as a player does, and notes what came when. */
export class TestPlayer {
  readonly answer: Promise<{ status: number; body: string }>
  readonly closed: Promise<void>
  readonly startedMs = performance.now()
  readonly tags: FlvTag[] = []
  readonly reader = new FlvReader({ maxTagBytes: 16 * 1024 * 1024 })
  readonly request: ClientRequest
  bytes = 0
  firstByteMs = 0
  lastByteMs = 0
  isClosed = false
  response: IncomingMessage | undefined
  #keepsTags = true

  constructor(url: string, cookie: string | undefined) {
    const answer = Promise.withResolvers<{ status: number; body: string }>()
    const closed = Promise.withResolvers<void>()
    this.answer = answer.promise
    this.closed = closed.promise
    this.request = request(url, { headers: cookie ? { cookie } : {}, agent: false })
    this.request.on('error', (error) => answer.reject(error))
    this.request.on('close', () => {
      this.isClosed = true
      closed.resolve()
    })
    this.request.on('response', (response) => {
      this.response = response
      const status = response.statusCode!
      if (status === 200) answer.resolve({ status, body: '' })
      let body = ''
      response.on('data', (chunk: Buffer) => {
        if (status !== 200) body += chunk.toString()
        else this.#take(chunk)
      })
      response.on('end', () => answer.resolve({ status, body }))
      response.on('error', () => undefined)
    })
    this.answer.catch(() => undefined)
    this.request.end()
  }

  get pictures(): FlvTag[] {
    return this.tags.filter((tag) => tag.kind === 'video' && readVideoPacket(tag).role !== 'sequence-header')
  }

  /** Forgets pictures from now on, so that only the hub's memory grows. */
  forget(): void {
    this.#keepsTags = false
    this.tags.length = 0
  }

  /** Stops reading, as a player on a dead network does. */
  stall(): void {
    this.response!.socket.pause()
  }

  leave(): void {
    this.request.destroy()
  }

  #take(chunk: Buffer): void {
    this.lastByteMs = performance.now()
    if (this.bytes === 0) this.firstByteMs = this.lastByteMs
    this.bytes += chunk.length
    const tags = this.reader.push(chunk)
    if (this.#keepsTags) this.tags.push(...tags)
  }
}

type Encoder = ChildProcessByStdio<null, Readable, Readable>

/** ffmpeg encoding a moving test picture in real time: H.264, one key frame a second, to `target`. */
export function encode(
  target: readonly string[],
  options: { bitrate?: string; size?: string; seconds?: number } = {},
): Encoder {
  const { bitrate = '600k', size = '640x360' } = options
  const input = ['-re', '-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=25`]
  const codec = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p']
  const rate = ['-b:v', bitrate, '-minrate', bitrate, '-maxrate', bitrate, '-bufsize', bitrate]
  const group = ['-x264-params', 'keyint=25:min-keyint=25:scenecut=0:nal-hrd=cbr:threads=1']
  const length = options.seconds === undefined ? [] : ['-t', String(options.seconds)]
  const args = ['-hide_banner', '-loglevel', 'error', ...input, ...codec, ...rate, ...group, ...length]
  return spawn('ffmpeg', [...args, '-f', 'flv', '-flush_packets', '1', ...target], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Ends an encoder and waits until it is gone. */
export async function endEncoder(encoder: Encoder, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (encoder.exitCode !== null || encoder.signalCode !== null) return
  const exited = once(encoder, 'exit')
  encoder.kill(signal)
  await exited
}

/** ffmpeg publishing to the gate by itself, as MEASURED tools do it. */
export function publishByFfmpeg(
  hub: StreamsHub,
  edge: { authorization: string },
  cameraId: string,
  options: Parameters<typeof encode>[1] = {},
): Encoder {
  const headers = `Authorization: ${edge.authorization}\r\n`
  const target = ['-method', 'POST', '-chunked_post', '1', '-headers', headers]
  return encode([...target, `${hub.url}/media/publish/${cameraId}`], options)
}

/** An edge whose camera runs all the time, and that publishes it when the hub asks. */
export class WarmEdge {
  readonly #hub: RelayingHub
  readonly #edge: { edgeId: string; authorization: string }
  readonly #cameraId: string
  readonly #encoder: Encoder
  readonly #reader = new FlvReader({ maxTagBytes: 16 * 1024 * 1024 })
  readonly #cache = new PictureCache({ maxBytes: 16 * 1024 * 1024 })
  readonly ready = Promise.withResolvers<void>()
  /** Answers of the hub to publishes, in order. */
  readonly answers: number[] = []
  publishes = 0
  #post: ClientRequest | undefined

  constructor(
    hub: RelayingHub,
    edge: { edgeId: string; authorization: string },
    cameraId: string,
    { rendition = 'source', ...options }: Parameters<typeof encode>[1] & { rendition?: Rendition } = {},
  ) {
    this.#hub = hub
    this.#edge = edge
    this.#cameraId = cameraId
    this.#encoder = encode(['pipe:1'], options)
    this.#encoder.stdout.on('data', (chunk: Buffer) => {
      for (const tag of this.#reader.push(chunk)) this.#take(tag)
    })
    hub.onRelay((edgeId, command) => {
      if (edgeId !== edge.edgeId || command.cameraId !== cameraId) return
      if (command.rendition !== rendition) return
      if (command.action === 'stop') this.#post?.end()
      else if (!this.#post) this.#publish(command.publishPath)
    })
  }

  get isPublishing(): boolean {
    return this.#post !== undefined
  }

  /** Cuts the connection as a network does; the next command makes a new one. */
  drop(): void {
    this.#post?.destroy()
    this.#post = undefined
  }

  /** Stops the camera's clock. */
  freeze(): void {
    this.#encoder.kill('SIGSTOP')
  }

  thaw(): void {
    this.#encoder.kill('SIGCONT')
  }

  async close(): Promise<void> {
    this.#post?.destroy()
    await endEncoder(this.#encoder)
  }

  #publish(path: string): void {
    const headers = { authorization: this.#edge.authorization, 'content-type': 'video/x-flv' }
    const post = request(this.#hub.url + path, { method: 'POST', headers, agent: false })
    post.setNoDelay(true)
    this.#post = post
    this.publishes += 1
    const gone = () => {
      if (this.#post === post) this.#post = undefined
    }
    post.on('error', gone)
    post.on('close', gone)
    post.on('response', (response) => {
      this.answers.push(response.statusCode!)
      response.resume()
      gone()
      post.destroy()
    })
    post.write(encodeFlvHeader({ audio: false, video: true }))
    if (this.#cache.isReady) for (const piece of this.#cache.beginning()) post.write(piece)
  }

  #take(tag: FlvTag): void {
    if (tag.kind === 'script') return
    const role = tag.kind === 'video' ? readVideoPacket(tag).role : 'other'
    if (role === 'sequence-header' || (tag.kind === 'audio' && isAudioSequenceHeader(tag))) {
      this.#cache.keepHeader(tag)
      return
    }
    const wasReady = this.#cache.isReady
    this.#cache.keep(tag, role === 'key-frame')
    if (!this.#post?.writable) {
      if (!wasReady && this.#cache.isReady) this.ready.resolve()
      return
    }
    this.#post.write(tag.bytes)
  }
}

/** Waits until it is true, looking again after every event of the loop's timers; fails after the deadline. */
export async function eventually(
  claim: () => boolean | Promise<boolean>,
  deadlineMs = 8000,
  what = String(claim),
): Promise<void> {
  const endsAt = Date.now() + deadlineMs
  while (!(await claim())) {
    if (Date.now() > endsAt) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
