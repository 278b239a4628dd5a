/**
 * The people's side of a hub, put together as app.ts does it: the real store, the real HTTP server, real sockets; no
 * broker and no time series. Users are written into the store with a session, so that a test pays for scrypt only where
 * it is about passwords.
 */
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AlertRecord, Changes, EvidenceRecord, PushEvent, PushPayloads, Role } from '@patrolhub/protocol'
import { pino } from 'pino'
import { io, type Socket } from 'socket.io-client'
import { accessFeature } from '../../src/access/access-feature.ts'
import { hashToken, newToken } from '../../src/access/token.ts'
import { openRelational } from '../../src/adapters/relational/open.ts'
import { auditFeature } from '../../src/audit/audit-feature.ts'
import { ChangeLog, logBounds } from '../../src/changes/changes.ts'
import { changesFeature } from '../../src/changes/changes-feature.ts'
import { loadConfig } from '../../src/config.ts'
import { devicesFeature } from '../../src/devices/devices.ts'
import type { Dispatches } from '../../src/dispatch/dispatch.ts'
import { dispatchFeature } from '../../src/dispatch/dispatch-feature.ts'
import type { EvidenceService } from '../../src/evidence/evidence.ts'
import { evidenceFeature } from '../../src/evidence/evidence-feature.ts'
import { createHttpServer } from '../../src/http.ts'
import type { HttpLimits } from '../../src/http-limits.ts'
import type { Incidents } from '../../src/incidents/incidents.ts'
import { incidentsFeature } from '../../src/incidents/incidents-feature.ts'
import { createMetrics } from '../../src/metrics.ts'
import { NO_WAKEUPS } from '../../src/ports/wakeups.ts'
import { pushFeature } from '../../src/push/push-feature.ts'
import { addAccount, openSession } from './accounts.ts'
import { engineEnv } from './postgres.ts'

export interface Person {
  userId: string
  username: string
  role: Role
  scope: string
  teamIds: string[]
  cookie: string
  sessionHash: string
}

export interface TestEdge {
  edgeId: string
  region: string
  authorization: string
}

export type Heard = PushEvent | { event: 'signedOut'; payload: string }

export type People = Awaited<ReturnType<typeof startPeople>>

/** These people watch nothing. */
const NO_STREAMS = {
  grantViews: async () => [],
  incidentsChanged: async () => undefined,
  grantsChanged: async () => undefined,
  cutSessions: () => undefined,
  look: () => undefined,
}

export async function startPeople(env: Record<string, string> = {}, http?: HttpLimits) {
  const folder = await mkdtemp(join(tmpdir(), 'patrolhub-people-'))
  const log = pino({ level: 'silent' })
  const config = loadConfig({
    env: {
      PATROLHUB_DATA_DIR: folder,
      PATROLHUB_REQUIRE_SECOND_FACTOR_FOR: 'none',
      ...(await engineEnv()),
      ...env,
    },
  })
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
  const incidents: Incidents = incidentsFeature({
    config,
    relational,
    audit,
    changes,
    now,
    evidenceOfAlerts: (db, alertIds) => evidence.ofAlerts(db, alertIds),
    dispatchesOf: (incidentId) => dispatches.ofIncident(incidentId),
    recallDispatches: (trx, recall) => dispatches.recall(trx, recall),
  })
  const evidence: EvidenceService = evidenceFeature({
    config,
    relational,
    audit,
    changes,
    log,
    now,
    snapshotStored: (trx, snapshot) => incidents.snapshotStored(trx, snapshot),
  })
  const dispatches: Dispatches = dispatchFeature({
    relational,
    audit,
    changes,
    access,
    incidents,
    evidence,
    now,
  })
  const devices = devicesFeature({ relational, changes, audit, log, offerSettings: () => {} })
  const changeFeed = changesFeature({
    relational,
    changes,
    wakeups: NO_WAKEUPS,
    mayHaveOthers: true,
    push,
    log,
    access,
    incidents,
    dispatches,
    evidence,
    devices,
    streams: NO_STREAMS,
    plans: { views: async () => [] },
  })
  const app = await createHttpServer(
    { config, metrics: createMetrics(), log, checks: {}, ...(http ? { limits: http } : {}) },
    (instance) => access.guard(instance),
  )
  for (const { routes } of [access, audit, incidents, dispatches, evidence]) await app.register(routes)
  push.attach(app.server)
  await evidence.start()
  await access.start()
  await changeFeed.start()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const sockets: Socket[] = []

  async function person(role: Role, scope: string, more: { teamIds?: string[]; oneTime?: boolean } = {}) {
    const teamIds = more.teamIds ?? []
    const { userId, username } = await addAccount(relational, {
      role,
      scope,
      mustChangePassword: more.oneTime === true,
      nowMs: now(),
    })
    for (const teamId of teamIds) {
      await relational.write.insertInto('team_member').values({ team_id: teamId, user_id: userId }).execute()
    }
    const session = await signIn(userId)
    return { userId, username, role, scope, teamIds, ...session } satisfies Person
  }

  const signIn = (userId: string) => openSession(relational, userId, now())

  async function edge(region: string): Promise<TestEdge> {
    const edgeId = `edge-${randomUUID().slice(0, 8)}`
    const token = newToken()
    await relational.write
      .insertInto('edge')
      .values({
        edge_id: edgeId,
        name: edgeId,
        region,
        token_hash: hashToken(token),
        state: 'online',
        last_seen_at_ms: null,
        software: '',
        detector_id: null,
      })
      .execute()
    const authorization = `Basic ${Buffer.from(`${edgeId}:${token}`).toString('base64')}`
    return { edgeId, region, authorization }
  }

  /** Asks as this person, with everything that the dashboard sends. `body` is JSON unless it is bytes. */
  async function ask(who: Person | undefined, method: string, path: string, body?: unknown, type?: string) {
    const isBytes = body instanceof Uint8Array
    const response = await fetch(url + path, {
      method,
      headers: {
        'x-patrolhub': '1',
        ...(who ? { cookie: who.cookie } : {}),
        ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isBytes ? Buffer.from(body) : JSON.stringify(body) }),
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    const isJson = response.headers.get('content-type')?.startsWith('application/json') && bytes.length > 0
    // biome-ignore lint/suspicious/noExplicitAny: answers of many kinds, each looked at by its test
    const json: any = isJson ? JSON.parse(bytes.toString('utf8')) : undefined
    return { status: response.status, headers: response.headers, bytes, json }
  }

  /** What ingest does with records that arrived together: one transaction. */
  async function ingest(from: TestEdge, ...records: (AlertRecord | EvidenceRecord)[]) {
    const outcomes = await relational.write.transaction().execute(async (trx) => {
      const alertIds = records.flatMap((record) => (record.kind === 'alert' ? [record.alertId] : []))
      const taken: ({ ok: true; incidentId?: string } | { ok: false; reason: string })[] = []
      for (const record of records) {
        taken.push(
          record.kind === 'alert'
            ? (await incidents.correlate(trx, [{ record, edge: from, receivedAtMs: now() }]))[0]!
            : await evidence.recordEvidence(trx, record, from),
        )
      }
      await changes.note(trx, 'alert', alertIds)
      return taken
    })
    return outcomes
  }

  /** Uploads as an edge does. */
  async function upload(
    from: TestEdge,
    evidenceId: string,
    bytes: Uint8Array,
    more: Record<string, string> = {},
  ) {
    const response = await fetch(`${url}/api/edge/evidence/${evidenceId}`, {
      method: 'PUT',
      headers: {
        authorization: from.authorization,
        'content-type': 'image/jpeg',
        'x-patrolhub-sha256': sha256(bytes),
        ...more,
      },
      body: Buffer.from(bytes),
    })
    const text = await response.text()
    return { status: response.status, code: text ? (JSON.parse(text).code as string) : '' }
  }

  /** A signed-in socket and everything it hears. Rejects if the hub does not take it. */
  async function listen(
    who: Person,
    options: { headers?: Record<string, string>; reconnection?: boolean; since?: number } = {},
  ) {
    // What happened before is not told to whoever comes now.
    await told()
    const socket = io(url, {
      transports: ['websocket'],
      reconnection: options.reconnection ?? false,
      reconnectionDelay: 50,
      forceNew: true,
      extraHeaders: { cookie: who.cookie, ...options.headers },
      ...(options.since === undefined ? {} : { auth: { since: options.since } }),
    })
    sockets.push(socket)
    const heard: Heard[] = []
    const packets: Changes[] = []
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.on('changes', (packet: Changes) => {
      packets.push(packet)
      heard.push(...packet.events)
      resolve()
    })
    socket.on('signedOut', (payload: string) => heard.push({ event: 'signedOut', payload }))
    socket.once('connect_error', reject)
    await promise
    return { socket, heard, packets }
  }

  /** Resolves when everything committed so far has been sent to the sockets. */
  async function told() {
    const { newest } = await logBounds(relational.read)
    await eventually(() => changeFeed.stats().upTo >= newest)
  }

  return {
    url,
    folder,
    told,
    config,
    relational,
    audit,
    access,
    push,
    changes,
    incidents,
    evidence,
    dispatches,
    app,
    clock,
    person,
    openSession: signIn,
    edge,
    ask,
    ingest,
    upload,
    listen,
    async close() {
      for (const socket of sockets) socket.disconnect()
      await changeFeed.close()
      await push.close()
      await app.close()
      await access.close()
      await relational.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Bytes that begin like a JPEG; the hub looks no further. */
export function jpeg(text = randomUUID()): Buffer {
  return Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16]), Buffer.from(`JFIF\0${text}`)])
}

export function alertRecord(region: string, more: Partial<AlertRecord> = {}): AlertRecord {
  return {
    kind: 'alert',
    alertId: randomUUID(),
    atMs: Date.now(),
    deviceId: 'cam-01',
    deviceKind: 'camera',
    region,
    rule: 'intrusion',
    ruleName: 'north fence',
    severity: 'major',
    score: 0.9,
    reason: 'a person entered the zone',
    facts: { seconds: 3 },
    objects: [
      { trackId: 1, className: 'person', score: 0.9, boxNorm: [0.1, 0.1, 0.2, 0.3], isSubject: true },
    ],
    trackPath: [
      [0.1, 0.1],
      [0.2, 0.2],
    ],
    zone: [
      [0, 0],
      [1, 0],
      [1, 1],
    ],
    evidenceIds: [],
    ...more,
  }
}

export function snapshotRecord(
  alert: AlertRecord,
  bytes: Uint8Array,
  more: Partial<EvidenceRecord> = {},
): EvidenceRecord {
  return {
    kind: 'evidence',
    evidenceId: randomUUID(),
    alertId: alert.alertId,
    atMs: alert.atMs,
    role: 'snapshot',
    mime: 'image/jpeg',
    sha256: sha256(bytes),
    bytes: bytes.length,
    ...more,
  }
}

/** What a socket heard of one kind, oldest first. */
export function ofKind<E extends keyof PushPayloads>(heard: readonly Heard[], event: E): PushPayloads[E][] {
  return heard.flatMap((one) => (one.event === event ? [one.payload as PushPayloads[E]] : []))
}

/** Why the hub said that the session has ended, each time that it did. */
export function farewells(heard: readonly Heard[]): string[] {
  return heard.flatMap((one) => (one.event === 'signedOut' ? [one.payload] : []))
}

/** The incident of an alert that was just taken. */
export function incidentOf(outcome: { ok: boolean; incidentId?: string } | undefined): string {
  if (!outcome?.incidentId) throw new Error(`the alert was refused: ${JSON.stringify(outcome)}`)
  return outcome.incidentId
}

/** Waits until it is true, looking again after every event of the loop's timers; fails after the deadline. */
export async function eventually(claim: () => boolean | Promise<boolean>, deadlineMs = 5000): Promise<void> {
  const endsAt = Date.now() + deadlineMs
  while (!(await claim())) {
    if (Date.now() > endsAt) throw new Error(`not within ${deadlineMs} ms: ${claim}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Resolves when the socket has lost its connection. */
export async function disconnected(socket: Socket): Promise<string> {
  if (!socket.connected) return 'already'
  const [reason] = await once(socket as never, 'disconnect')
  return reason as string
}
