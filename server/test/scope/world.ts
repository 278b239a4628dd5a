/**
 * One hub, as it is delivered, with something of every kind in every region: edges that are connected, devices and what
 * they measured, alerts with pictures, incidents, teams that were sent, accounts, tokens. The same for every run of the
 * property; the people who try to get at it change.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AlertRecord,
  edgeTopics,
  type HistoryCommand,
  type RelayCommand,
  type Sensitivity,
} from '@patrolhub/protocol'
import { pino } from 'pino'
import { vi } from 'vitest'
import { hashToken, newToken } from '../../src/access/token.ts'
import { openRelational } from '../../src/adapters/relational/open.ts'
import { composeHub } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { camera, EdgeClient, passage } from '../support/edge-client.ts'
import { freshFolder, silent, testEnv } from '../support/hub.ts'
import { alertRecord, eventually, jpeg, sha256, snapshotRecord } from '../support/people.ts'
import { CameraLoop, makeClip } from './camera-loop.ts'
import type { Caller, Camera, Policies } from './oracle.ts'

/** Neighbours that share digits, so that a careless prefix shows; the last lies outside the hub's own scope. */
export const REGIONS = [
  '4105',
  '410502',
  '410503',
  '410502003',
  '410502004',
  '410502003201',
  '410502003201001',
  '4106',
] as const
export const ROOT = '4105'
/** When everything was measured that is. */
export const MEASURED_AT_MS = Date.now() - 600_000
const SENSITIVITIES: readonly Sensitivity[] = ['public', 'controlled', 'restricted']

export type Kind =
  | 'region'
  | 'edge'
  | 'spare edge'
  | 'camera'
  | 'checkpoint'
  | 'sensor'
  | 'alert'
  | 'incident'
  | 'evidence'
  | 'team'
  | 'dispatch'
  | 'user'
  | 'user session'
  | 'session'
  | 'token'
  | 'policy'
  | 'grant'
  | 'group'
  | 'spare group'
  | 'plan'
  | 'spare plan'
  | 'ask'
  | 'export'
  | 'viewing'
  | 'audit entry'

export interface Thing {
  kind: Kind
  id: string
  region: string
  edgeId?: string
  /** The team that is sent to the incident that this is, belongs to or shows. */
  teamId?: string
  userId?: string
  username?: string
  role?: string
  bytes?: Buffer
  sha256?: string
  policy?: unknown
  cameraIds?: readonly string[]
}

export type World = Awaited<ReturnType<typeof startWorld>>

export async function startWorld() {
  const dataDir = await freshFolder()
  // The one double: a clock that can be put forward.
  const realNow = Date.now
  const clock = { offsetMs: 0 }
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + clock.offsetMs)
  const dashboardDir = join(dataDir, 'page')
  await mkdir(dashboardDir)
  await writeFile(join(dashboardDir, 'index.html'), '<!doctype html><title>Patrolhub</title>')
  const config = loadConfig({ env: testEnv(dataDir, { PATROLHUB_DASHBOARD_DIR: dashboardDir }) })
  const composed = await composeHub(config, pino({ level: process.env.PATROLHUB_TEST_LOG ?? 'silent' }))
  const routes = routesOf(composed.app.printRoutes({ commonPrefix: false }))
  const hub = await composed.start()
  const url = `http://127.0.0.1:${hub.httpPort}`
  const store = await openRelational(config, silent)
  const db = store.write
  const things: Thing[] = []
  const edges = new Map<
    string,
    { client: EdgeClient; loop: CameraLoop; authorization: string; seq: number }
  >()

  async function addUser(role: string, scope: string, name: string): Promise<string> {
    const userId = randomUUID()
    const row = {
      user_id: userId,
      username: name,
      display_name: name,
      password_hash: '',
      must_change_password: 0,
      role,
      scope,
      is_disabled: 0,
      created_at_ms: Date.now(),
    } as const
    await db.insertInto('user_account').values(row).execute()
    return userId
  }

  async function addSession(userId: string, lifeMs: number, token = newToken()) {
    const hash = hashToken(token)
    const expiresAtMs = Date.now() + lifeMs
    const row = {
      token_hash: hash,
      user_id: userId,
      created_at_ms: Date.now(),
      expires_at_ms: expiresAtMs,
      address: '127.0.0.1',
      user_agent: 'test',
    }
    await db.insertInto('session').values(row).execute()
    return { cookie: `patrolhub_session=${token}`, hash, expiresAtMs }
  }

  async function addEdge(edgeId: string, region: string): Promise<string> {
    const token = newToken()
    const row = {
      edge_id: edgeId,
      name: edgeId,
      region,
      token_hash: hashToken(token),
      state: 'offline',
      last_seen_at_ms: null,
      software: '',
      detector_id: null,
    }
    await db.insertInto('edge').values(row).execute()
    return token
  }

  async function send(
    method: string,
    path: string,
    more: { headers?: Record<string, string>; body?: unknown } = {},
  ) {
    const { body, headers } = more
    const isBytes = Buffer.isBuffer(body)
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        'x-patrolhub': '1',
        ...(body === undefined || isBytes ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isBytes ? (body as never) : JSON.stringify(body) }),
    })
    const text = Buffer.from(await response.arrayBuffer()).toString('latin1')
    const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json')
    // biome-ignore lint/suspicious/noExplicitAny: answers of many kinds, each looked at by its check
    const json: any = isJson && text !== '' ? JSON.parse(Buffer.from(text, 'latin1').toString()) : undefined
    return { status: response.status, text, json }
  }

  /** With everything that the caller's own program would send. */
  function ask(who: Caller, method: string, path: string, more: Parameters<typeof send>[2] = {}) {
    return send(method, path, { ...more, headers: { ...credentialOf(who), ...more.headers } })
  }

  // Who changes the others' rights: one in each city, as nobody reaches into the other.
  const chiefs = new Map<string, { userId: string; cookie: string }>()
  for (const scope of ['4105', '4106']) {
    const userId = await addUser('administrator', scope, `chief-${scope}`)
    chiefs.set(scope, { userId, ...(await addSession(userId, 10_000 * 3_600_000)) })
  }
  /** Does it as the administrator of the city; throws unless it was done. */
  async function command(region: string, method: string, path: string, body?: unknown) {
    const { cookie } = chiefs.get(region.slice(0, 4))!
    const answer = await send(method, path, { headers: { cookie }, body })
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }

  async function addPlan(planId: string, region: string): Promise<void> {
    const { userId } = chiefs.get(region.slice(0, 4))!
    const row = {
      plan_id: planId,
      name: planId,
      region,
      written_by: userId,
      written_at_ms: 1,
      approved_by: null,
      approved_at_ms: null,
      approved_cameras: null,
    }
    await db.insertInto('plan').values(row).execute()
  }

  /** After time was put forward: edges that have said nothing for so long would count as offline. */
  async function hearEdges(): Promise<void> {
    const ids = [...edges.values()].map(({ client }) => client.edgeId)
    const said = { state: 'online', atMs: Date.now() }
    for (const { client } of edges.values()) await client.publish(edgeTopics.status(client.edgeId), said)
    await eventually(async () => {
      const rows = await db
        .selectFrom('edge')
        .select('last_seen_at_ms')
        .where('edge_id', 'in', ids)
        .where('state', '=', 'online')
        .where('last_seen_at_ms', '>=', said.atMs)
        .execute()
      return rows.length === ids.length
    }, 20_000)
  }

  /** A package that somebody has made under their grant, ready on the disk. */
  async function addExport(
    grantId: string,
    userId: string,
    { cameraId: id, region }: Camera,
  ): Promise<string> {
    const exportId = randomUUID()
    const content = `package ${exportId}`
    await writeFile(join(dataDir, 'exports', `${exportId}.tar`), content)
    const row = {
      export_id: exportId,
      grant_id: grantId,
      user_id: userId,
      camera_id: id,
      region,
      from_ms: 1,
      to_ms: 2,
      reason: 'asked for',
      state: 'ready',
      problem: '',
      hub_id: 'this hub',
      bytes: content.length,
      sha256: '',
      created_at_ms: Date.now(),
      ended_at_ms: Date.now(),
    } as const
    await db.insertInto('export').values(row).execute()
    return exportId
  }

  /** An alert with its picture, from the region's camera, as its edge sends it. */
  async function happen(region: string): Promise<{ alert: Thing; evidence: Thing }> {
    const edge = edges.get(region)!
    const edgeId = edge.client.edgeId
    const alert = alertRecord(region, {
      deviceId: cameraId(region, 'public'),
      atMs: Date.now(),
    }) as AlertRecord
    const bytes = jpeg()
    const picture = snapshotRecord(alert, bytes)
    // However much time has passed: it joins the incident that is there.
    await db
      .updateTable('incident')
      .set({ last_alert_at_ms: Date.now() })
      .where('region', '=', region)
      .execute()
    const firstSeq = edge.seq + 1
    edge.seq += 2
    await edge.client.send('alerts', firstSeq, [alert, picture])
    await edge.client.cursor(({ stream, upTo }) => stream === 'alerts' && upTo === edge.seq)
    const headers = {
      authorization: edge.authorization,
      'content-type': 'image/jpeg',
      'x-patrolhub-sha256': sha256(bytes),
    }
    const put = await send('PUT', `/api/edge/evidence/${picture.evidenceId}`, { headers, body: bytes })
    if (put.status !== 204) throw new Error(`the picture was not taken: ${put.text}`)
    const teamId = things.find((thing) => thing.kind === 'team' && thing.region === region)!.id
    const place = { region, edgeId, teamId }
    const pair = {
      alert: { kind: 'alert', id: alert.alertId, ...place },
      evidence: { kind: 'evidence', id: picture.evidenceId, bytes, sha256: sha256(bytes), ...place },
    } as const
    things.push(pair.alert, pair.evidence)
    return pair
  }

  const clip = await makeClip()
  async function settle(region: string): Promise<void> {
    const edgeId = edgeIdOf(region)
    const token = await addEdge(edgeId, region)
    const authorization = `Basic ${Buffer.from(`${edgeId}:${token}`).toString('base64')}`
    await addEdge(`spare-${region}-x`, region)
    const client = await EdgeClient.connect({ port: hub.mqttPort, edgeId, token })
    const loop = new CameraLoop({ url, authorization }, clip)
    await client.mqtt.subscribeAsync([edgeTopics.relay(edgeId), edgeTopics.history(edgeId)], { qos: 1 })
    client.mqtt.on('message', (topic, payload) => {
      const command: unknown = JSON.parse(payload.toString())
      if (topic === edgeTopics.relay(edgeId)) loop.obey(command as RelayCommand)
      if (topic === edgeTopics.history(edgeId)) loop.answer(command as HistoryCommand)
    })
    edges.set(region, { client, loop, authorization, seq: 0 })
    const checkpointId = `checkpoint-${region}-x`
    const sensorId = `sensor-${region}-x`
    await client.hello({
      region,
      cameras: SENSITIVITIES.map((sensitivity) =>
        camera(cameraId(region, sensitivity), { region, sensitivity }),
      ),
      checkpoints: [{ checkpointId, name: checkpointId, region, lanes: 2 }],
      sensors: [{ sensorId, name: sensorId, region, quantity: 'level', unit: 'm' }],
    })
    const passages = Array.from({ length: passagesOf(region) }, (_, index) =>
      passage(0, {
        ...{ region, deviceId: checkpointId, atMs: MEASURED_AT_MS + index },
        plateCipher: '1.iv.text.tag',
      }),
    )
    await client.send('measurements', 1, passages)
    await client.cursor(({ stream, upTo }) => stream === 'measurements' && upTo === passages.length)

    const teamId = randomUUID()
    const team = { team_id: teamId, name: `team-${region}`, region, kind: 'cadre' }
    await db.insertInto('team').values(team).execute()
    const userId = await addUser('patroller', region, `walker-${region}`)
    const bossId = await addUser('administrator', region, `boss-${region}`)
    const tokenId = randomUUID()
    const row = {
      token_id: tokenId,
      name: tokenId,
      token_hash: hashToken(`phs_${newToken()}`),
      scope: region,
      permissions: '[]',
      created_by: bossId,
      created_at_ms: Date.now(),
      expires_at_ms: Date.now() + 1e12,
      revoked_at_ms: null,
      last_used_at_ms: null,
    }
    await db.insertInto('service_token').values(row).execute()
    const name = { code: region, name: `Region ${region}` }
    await db
      .insertInto('region')
      .values(name)
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const settings = { document: `# ${edgeId}`, note: 'as it is' }
    await command(region, 'POST', `/api/edges/${edgeId}/settings`, settings)
    const cameraIds = SENSITIVITIES.map((sensitivity) => cameraId(region, sensitivity))
    const groups = [groupOf(region), { ...groupOf(region), group_id: randomUUID() }]
    await db.insertInto('camera_group').values(groups).execute()
    for (const camera_id of cameraIds) {
      await db
        .insertInto('camera_group_member')
        .values({ group_id: groups[0]!.group_id, camera_id })
        .execute()
    }
    const sessionOfUser = hashToken(`session of ${userId}`)
    things.push(
      { kind: 'region', id: region, region },
      { kind: 'edge', id: edgeId, region, edgeId },
      { kind: 'spare edge', id: `spare-${region}-x`, region },
      ...SENSITIVITIES.map((sensitivity) => ({
        kind: 'camera' as const,
        id: cameraId(region, sensitivity),
        region,
        edgeId,
      })),
      { kind: 'checkpoint', id: checkpointId, region, edgeId },
      { kind: 'sensor', id: sensorId, region },
      { kind: 'team', id: teamId, region, userId },
      { kind: 'user', id: userId, region, username: `walker-${region}`, role: 'patroller' },
      { kind: 'user', id: bossId, region, username: `boss-${region}`, role: 'administrator' },
      { kind: 'user session', id: sessionOfUser, region, userId, role: 'patroller' },
      { kind: 'token', id: tokenId, region },
      { kind: 'group', id: groups[0]!.group_id, region, cameraIds },
      { kind: 'spare group', id: groups[1]!.group_id, region },
    )
    // One that was activated once, and one that was not.
    for (const kind of ['plan', 'spare plan'] as const) {
      const planId = randomUUID()
      await addPlan(planId, region)
      things.push({ kind, id: planId, region })
      if (kind === 'plan') {
        const { userId: begun_by } = chiefs.get(region.slice(0, 4))!
        const ids = { activation_id: randomUUID(), plan_id: planId, begun_by }
        const times = { begin_at_ms: 1, end_at_ms: 2, ended_at_ms: 2 }
        await db
          .insertInto('plan_activation')
          .values({ ...ids, ...times, is_drill: 1, reason: 'exercise' })
          .execute()
      }
    }
    const { alert } = await happen(region)
    const found = await db
      .selectFrom('alert')
      .select('incident_id')
      .where('alert_id', '=', alert.id)
      .executeTakeFirstOrThrow()
    const incidentId = found.incident_id
    things.push({ kind: 'incident', id: incidentId, region, teamId })
    const sent = await command(region, 'POST', `/api/incidents/${incidentId}/dispatches`, { teamId })
    things.push({ kind: 'dispatch', id: sent.dispatchId, region, teamId })
  }
  for (const region of REGIONS) await settle(region)
  await db.insertInto('role').values({ role_id: 'spare', name: 'spare', is_built_in: 0 }).execute()
  const policies = Object.fromEntries(
    (await command(ROOT, 'GET', '/api/grant-policies')).items.map(
      ({ sensitivity, policy }: { sensitivity: Sensitivity; policy: unknown }) => [sensitivity, policy],
    ),
  ) as Policies

  return {
    url,
    db,
    clock,
    routes,
    things,
    edges,
    /** What the hub begins with. */
    policies,
    rootUserId: chiefs.get(ROOT)!.userId,
    addUser,
    addSession,
    addPlan,
    ask,
    command,
    happen,
    hearEdges,
    addExport,
    countAnswered: () => [...edges.values()].reduce((sum, { loop }) => sum + loop.answered, 0),
    async close() {
      for (const { client, loop } of edges.values()) {
        loop.close()
        await client.close()
      }
      await store.close()
      await hub.close()
      vi.restoreAllMocks()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

function groupOf(region: string) {
  return { group_id: randomUUID(), name: `group-${region}`, region }
}

/** Names end so that none is the beginning of another's: answers are searched for them. */
function edgeIdOf(region: string): string {
  return `edge-${region}-x`
}
export function cameraId(region: string, sensitivity: Sensitivity): string {
  return `cam-${sensitivity}-${region}-x`
}

export const CAMERAS: readonly Camera[] = REGIONS.flatMap((region) =>
  SENSITIVITIES.map((sensitivity) => ({ cameraId: cameraId(region, sensitivity), region, sensitivity })),
)

/** Vehicles that passed the checkpoint of a region: a different number of each, and no sum of two is a third. */
export function passagesOf(region: string): number {
  return 2 ** (REGIONS as readonly string[]).indexOf(region)
}

function credentialOf(who: Caller): Record<string, string> {
  switch (who.kind) {
    case 'nobody':
      return {}
    case 'person':
      return { cookie: who.cookie }
    default:
      return { authorization: who.authorization }
  }
}

/** Every method and pattern of the router, out of the tree that it prints. */
function routesOf(tree: string): string[] {
  const found: string[] = []
  const above: string[] = []
  for (const line of tree.split('\n')) {
    const match = /^([│ ]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?$/.exec(line)
    if (!match) continue
    const depth = match[1]!.length / 4
    above.length = depth
    above.push(match[2]!)
    for (const method of match[3]?.split(', ') ?? []) found.push(`${method} ${above.join('')}`)
  }
  return found
}
