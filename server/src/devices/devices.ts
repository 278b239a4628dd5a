/** Edges, cameras, checkpoints and sensors: what the hub knows of them. */
import type {
  Camera,
  CameraHealth,
  CreatedEdge,
  Edge,
  HealthRecord,
  Hello,
  NewEdge,
} from '@patrolhub/protocol'
import type { FastifyPluginAsync } from 'fastify'
import type { Transaction } from 'kysely'
import type { Logger } from 'pino'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import { hashToken, newToken, tokenMatches } from '../access/token.ts'
import type { ChangeLog } from '../changes/changes.ts'
import { HubError } from '../errors.ts'
import type { EdgeCredentials, EdgeIdentity } from '../ports/broker.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { Tables } from '../ports/tables.ts'
import { describedDevices, describedIds } from './describe.ts'
import { deviceRoutes } from './device-routes.ts'
import * as store from './device-store.ts'
import { type EdgeSettingsDeps, edgeSettingsRoutes, noteSettings, offerSettings } from './edge-settings.ts'

export interface DevicesDeps {
  relational: Relational
  changes: ChangeLog
  log: Logger
  audit: AuditTrail
  /** `undefined` if the broker keeps no users of its own. */
  credentials?: EdgeCredentials | undefined
  /** Tells an edge that there are settings for it, see edge-settings.ts. */
  offerSettings: (edgeId: string, version: number) => void | Promise<void>
}

export interface Device {
  deviceId: string
  kind: 'camera' | 'checkpoint' | 'sensor'
  edgeId: string
  region: string
  name: string
  sensitivity: string
}

export interface Devices {
  readonly routes: FastifyPluginAsync
  /** Loads who owns which device. `isOnlyHub`: nobody is connected, so nobody counts as online before it says so. */
  start(options: { isOnlyHub: boolean }): Promise<void>
  authenticate(edgeId: string, token: string): Promise<EdgeIdentity | undefined>
  /** Takes over what the edge says of itself, inside the caller's transaction; `refresh` the edge afterwards. */
  register(trx: Transaction<Tables>, edge: EdgeIdentity, hello: Hello, atMs: number): Promise<void>
  noteHealth(trx: Transaction<Tables>, edge: EdgeIdentity, record: HealthRecord): Promise<void>
  /** After a hello is committed: who owns what, and settings that the edge has not answered yet. */
  greeted(edgeId: string): Promise<void>
  /** Reads again who owns the devices of this edge, after this hub or another has changed it. */
  refresh(edgeId: string): Promise<void>
  /** Edges and cameras as screens show them; what is gone is missing. No scope check: the caller has one. */
  views(
    db: DbOrTransaction,
    of: { edgeIds: readonly string[]; cameraIds: readonly string[] },
  ): Promise<{ edges: Edge[]; cameras: Camera[] }>
  noteState(edgeId: string, state: 'online' | 'offline', atMs: number): Promise<void>
  /**
   * Marks edges as offline that have said nothing for long though they count as online: whoever should have told of
   * their end (the broker, by their last will) was away itself. Answers their ids.
   */
  noteSilent(nowMs: number): Promise<string[]>
  /** Resolves when every state that was told is in the store. */
  close(): Promise<void>
  /** The edge that speaks for the device; `undefined` if no edge has described it. */
  ownerOf(deviceId: string): string | undefined
  find(deviceId: string, db?: DbOrTransaction): Promise<Device | undefined>
  addEdge(actor: Principal, edge: NewEdge): Promise<CreatedEdge>
}

/** An edge says every half minute that it is online. */
const SILENT_MS = 100_000

class DeviceService implements Devices {
  readonly routes: FastifyPluginAsync
  readonly #relational: Relational
  readonly #changes: ChangeLog
  readonly #settings: EdgeSettingsDeps
  readonly #audit: AuditTrail
  readonly #credentials: EdgeCredentials | undefined
  readonly #log: Logger
  readonly #owners = new Map<string, string>()
  /** State of each camera as the screens were told last: they hear of changes, not of every health record. */
  readonly #cameraStates = new Map<string, string>()
  /** Changes of one edge's state go one after another. */
  readonly #stateChanges = new Map<string, Promise<void>>()

  constructor(deps: DevicesDeps) {
    this.#relational = deps.relational
    this.#changes = deps.changes
    this.#audit = deps.audit
    this.#credentials = deps.credentials
    this.#log = deps.log.child({ component: 'devices' })
    const { relational, audit, changes } = deps
    this.#settings = { relational, audit, changes, offer: deps.offerSettings }
    const routes = [deviceRoutes({ relational, devices: this, audit }), edgeSettingsRoutes(this.#settings)]
    this.routes = async (app) => {
      for (const plugin of routes) await app.register(plugin)
    }
  }

  async start({ isOnlyHub }: { isOnlyHub: boolean }): Promise<void> {
    if (isOnlyHub) await store.markAllOffline(this.#relational.write)
    for (const { device_id, edge_id } of await store.allOwners(this.#relational.read)) {
      this.#owners.set(device_id, edge_id)
    }
  }

  async authenticate(edgeId: string, token: string): Promise<EdgeIdentity | undefined> {
    const edge = await store.findEdge(this.#relational.read, edgeId)
    if (!edge || !tokenMatches(token, edge.tokenHash)) return undefined
    return { edgeId, region: edge.region }
  }

  async register(trx: Transaction<Tables>, edge: EdgeIdentity, hello: Hello, atMs: number): Promise<void> {
    // Not from memory: another hub may have taken a hello that changed it.
    const owners = await store.ownersOf(trx, describedIds(hello))
    const { devices, refused } = describedDevices(edge, hello, (deviceId) => owners.get(deviceId))
    for (const { deviceId, reason } of refused) {
      this.#log.warn({ edgeId: edge.edgeId, deviceId, reason }, 'a device of an edge was not taken')
    }
    await store.updateEdge(trx, edge.edgeId, {
      lastSeenAtMs: atMs,
      software: hello.software,
      detectorId: hello.detector?.id ?? null,
    })
    const known = new Map((await store.devicesOfEdge(trx, edge.edgeId)).map((row) => [row.device_id, row]))
    const changed = devices.filter((row) => {
      const before = known.get(row.device_id)
      return before?.kind !== row.kind || before.description !== row.description
    })
    const described = new Set(devices.map((row) => row.device_id))
    const gone = [...known.keys()].filter((deviceId) => !described.has(deviceId))
    await store.deleteDevices(trx, edge.edgeId, gone)
    await store.upsertDevices(trx, changed, atMs)
    if (gone.length > 0) this.#log.info({ edgeId: edge.edgeId, gone }, 'devices are no longer on their edge')
    if (hello.settings) await noteSettings(trx, this.#settings, edge.edgeId, hello.settings)
    await this.#changes.note(trx, 'edge', edge.edgeId)
    const cameraIds = devices.filter((row) => row.kind === 'camera').map((row) => row.device_id)
    await this.#changes.note(trx, 'camera', cameraIds)
  }

  async noteHealth(trx: Transaction<Tables>, edge: EdgeIdentity, record: HealthRecord): Promise<void> {
    await store.updateEdgeHealth(trx, edge.edgeId, record)
    const changed: string[] = []
    for (const health of record.cameras) {
      const isOwn = await store.updateHealth(trx, edge.edgeId, health)
      if (isOwn && this.#cameraStates.get(health.cameraId) !== stateText(health))
        changed.push(health.cameraId)
    }
    for (const health of record.devices ?? []) await store.updateMeasuringHealth(trx, edge.edgeId, health)
    await this.#changes.note(trx, 'camera', changed)
  }

  async greeted(edgeId: string): Promise<void> {
    await this.refresh(edgeId)
    await offerSettings(this.#settings, edgeId)
  }

  async refresh(edgeId: string): Promise<void> {
    const rows = await store.devicesOfEdge(this.#relational.read, edgeId)
    const described = new Set(rows.map((row) => row.device_id))
    for (const [deviceId, owner] of this.#owners) {
      if (owner !== edgeId || described.has(deviceId)) continue
      this.#owners.delete(deviceId)
      this.#cameraStates.delete(deviceId)
    }
    for (const row of rows) this.#owners.set(row.device_id, edgeId)
  }

  async views(
    db: DbOrTransaction,
    { edgeIds, cameraIds }: { edgeIds: readonly string[]; cameraIds: readonly string[] },
  ): Promise<{ edges: Edge[]; cameras: Camera[] }> {
    const edges = await store.edgesById(db, edgeIds)
    const rows = await store.camerasById(db, cameraIds)
    for (const { device_id, health } of rows) {
      if (health !== null) this.#cameraStates.set(device_id, stateText(JSON.parse(health) as CameraHealth))
    }
    return { edges, cameras: rows.map((row) => store.toCamera(row, row.edge_state === 'online')) }
  }

  noteState(edgeId: string, state: 'online' | 'offline', atMs: number): Promise<void> {
    const before = this.#stateChanges.get(edgeId) ?? Promise.resolve()
    const change = before
      .then(() => this.#changeState(edgeId, state, atMs))
      .catch((err: unknown) => this.#log.error({ err, edgeId, state }, "an edge's state could not be noted"))
      .finally(() => {
        if (this.#stateChanges.get(edgeId) === change) this.#stateChanges.delete(edgeId)
      })
    this.#stateChanges.set(edgeId, change)
    return change
  }

  async noteSilent(nowMs: number): Promise<string[]> {
    const silent = await store.silentEdges(this.#relational.read, nowMs - SILENT_MS)
    for (const { edgeId, lastSeenAtMs } of silent) {
      // Still the time it was last heard of: nothing has come since.
      await this.noteState(edgeId, 'offline', lastSeenAtMs)
    }
    return silent.map(({ edgeId }) => edgeId)
  }

  async close(): Promise<void> {
    await Promise.all(this.#stateChanges.values())
  }

  ownerOf(deviceId: string): string | undefined {
    return this.#owners.get(deviceId)
  }

  async find(deviceId: string, db: DbOrTransaction = this.#relational.read): Promise<Device | undefined> {
    const row = await store.findDevice(db, deviceId)
    if (!row) return undefined
    const { kind, region, name, sensitivity } = row
    return { deviceId, edgeId: row.edge_id, kind, region, name, sensitivity }
  }

  async addEdge(actor: Principal, edge: NewEdge): Promise<CreatedEdge> {
    const deps = {
      relational: this.#relational,
      audit: this.#audit,
      changes: this.#changes,
      credentials: this.#credentials,
    }
    return addEdge(deps, edge, actor)
  }

  async #changeState(edgeId: string, state: 'online' | 'offline', atMs: number): Promise<void> {
    const isChanged = await this.#relational.write.transaction().execute(async (trx) => {
      const before = await store.findEdge(trx, edgeId)
      if (!before) return false
      await store.updateEdge(trx, edgeId, { state, lastSeenAtMs: atMs })
      if (before.state === state) return false
      await this.#changes.note(trx, 'edge', edgeId)
      const rows = await store.devicesOfEdge(trx, edgeId)
      const cameraIds = rows.filter((row) => row.kind === 'camera').map((row) => row.device_id)
      await this.#changes.note(trx, 'camera', cameraIds)
      return true
    })
    if (isChanged) this.#log.info({ edgeId, state }, 'edge changed its state')
  }
}

function stateText(health: CameraHealth): string {
  return `${health.state} ${health.why}`
}

export function devicesFeature(deps: DevicesDeps): Devices {
  return new DeviceService(deps)
}

/**
 * Creates the credential of a new edge; the token in the answer is shown once. `actor` undefined: a command line.
 * Throws HUB_CONFLICT if the id is taken, HUB_BROKER if the broker does not let it in; then there is no such edge.
 */
export async function addEdge(
  deps: {
    relational: Relational
    audit: AuditTrail
    changes: ChangeLog
    credentials?: EdgeCredentials | undefined
  },
  edge: NewEdge,
  actor: Principal | undefined,
): Promise<CreatedEdge> {
  const token = newToken()
  try {
    await deps.relational.write.transaction().execute(async (trx) => {
      await store.insertEdge(trx, edge, hashToken(token))
      await deps.changes.note(trx, 'edge', edge.edgeId)
      await deps.audit.append(trx, {
        actor,
        action: 'edge.created',
        subject: `edge:${edge.edgeId}`,
        detail: { name: edge.name, region: edge.region },
      })
      await deps.credentials?.admit(edge.edgeId, token)
    })
  } catch (error) {
    if (deps.relational.violation(error) !== 'unique') throw error
    throw new HubError('HUB_CONFLICT', `there is an edge ${edge.edgeId} already`, { cause: error })
  }
  return { edge: { ...edge, state: 'never seen', software: '' }, token }
}
