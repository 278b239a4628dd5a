/** Edges and what hangs on them, in the relational store. */
import type {
  Camera,
  CameraHealth,
  Checkpoint,
  DeviceHealth,
  DeviceList,
  DispatchState,
  Edge,
  EdgeHealth,
  HealthRecord,
  NewEdge,
  Region,
  Sensor,
} from '@patrolhub/protocol'
import { selfAndAncestors } from '@patrolhub/protocol'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { inScope, type Scoped } from '../access/scope.ts'
import type { Db, DbOrTransaction } from '../ports/relational.ts'
import type { DeviceTable } from '../ports/tables.ts'

export interface DeviceRow {
  device_id: string
  edge_id: string
  kind: DeviceTable['kind']
  region: string
  name: string
  sensitivity: string
  description: string
  health: string | null
}

interface EdgeRow {
  edge_id: string
  name: string
  region: string
  state: string
  last_seen_at_ms: number | null
  software: string
  detector_id: string | null
  health: string | null
}

const EDGE_COLUMNS = [
  'edge.edge_id',
  'edge.name',
  'edge.region',
  'edge.state',
  'edge.software',
  'edge.detector_id',
  'edge.last_seen_at_ms',
  'edge.health',
] as const
const DEVICE_COLUMNS = [
  'device.device_id',
  'device.edge_id',
  'device.kind',
  'device.region',
  'device.name',
  'device.sensitivity',
  'device.description',
  'device.health',
] as const

/** A dispatch that nobody is on any more. */
const DONE: DispatchState = 'closed'

/** Rows in one statement, so that the parameters stay below what SQLite takes. */
const UPSERT_ROWS = 500

export function toEdge(row: EdgeRow): Edge {
  return {
    edgeId: row.edge_id,
    name: row.name,
    region: row.region,
    state: row.state as Edge['state'],
    software: row.software,
    ...(row.last_seen_at_ms === null ? {} : { lastSeenAtMs: row.last_seen_at_ms }),
    ...(row.detector_id === null ? {} : { detectorId: row.detector_id }),
    ...(row.health === null ? {} : { health: JSON.parse(row.health) as EdgeHealth }),
  }
}

/** What a camera last said of itself is worth nothing while its edge is away. */
export function toCamera(row: DeviceRow, isEdgeOnline: boolean): Camera {
  const health = row.health === null ? undefined : (JSON.parse(row.health) as CameraHealth)
  const shown =
    health && !isEdgeOnline ? { ...health, state: 'offline' as const, why: 'its edge is offline' } : health
  return {
    ...(JSON.parse(row.description) as Omit<Camera, 'edgeId' | 'health'>),
    edgeId: row.edge_id,
    ...(shown ? { health: shown } : {}),
  }
}

export async function listDevices(db: Db, who: Scoped): Promise<DeviceList> {
  const edges = await db
    .selectFrom('edge')
    .select(EDGE_COLUMNS)
    .where((eb) => inScope(who, eb.ref('edge.region')))
    .orderBy('edge.region')
    .orderBy('edge.edge_id')
    .execute()
  const rows = await db
    .selectFrom('device')
    .innerJoin('edge', 'edge.edge_id', 'device.edge_id')
    .select([...DEVICE_COLUMNS, 'edge.state as edge_state'])
    .where((eb) => inScope(who, eb.ref('device.region')))
    .orderBy('device.region')
    .orderBy('device.device_id')
    .execute()
  const described = <T>(row: DeviceRow & { edge_state: string }) => {
    // What an edge last said of a device is worth nothing while the edge is away.
    const health = row.edge_state === 'online' && row.health !== null ? JSON.parse(row.health) : undefined
    return { ...JSON.parse(row.description), edgeId: row.edge_id, ...(health ? { health } : {}) } as T
  }
  return {
    edges: edges.map(toEdge),
    cameras: rows
      .filter((row) => row.kind === 'camera')
      .map((row) => toCamera(row, row.edge_state === 'online')),
    checkpoints: rows.filter((row) => row.kind === 'checkpoint').map((row) => described<Checkpoint>(row)),
    sensors: rows.filter((row) => row.kind === 'sensor').map((row) => described<Sensor>(row)),
  }
}

export async function findEdge(
  db: DbOrTransaction,
  edgeId: string,
): Promise<(Edge & { tokenHash: string }) | undefined> {
  const row = await db
    .selectFrom('edge')
    .select([...EDGE_COLUMNS, 'edge.token_hash'])
    .where('edge_id', '=', edgeId)
    .executeTakeFirst()
  return row && { ...toEdge(row), tokenHash: row.token_hash }
}

export async function insertEdge(db: DbOrTransaction, edge: NewEdge, tokenHash: string): Promise<void> {
  await db
    .insertInto('edge')
    .values({
      edge_id: edge.edgeId,
      name: edge.name,
      region: edge.region,
      token_hash: tokenHash,
      state: 'never seen',
      last_seen_at_ms: null,
      software: '',
      detector_id: null,
    })
    .execute()
}

export async function updateEdge(
  db: DbOrTransaction,
  edgeId: string,
  values: { state?: Edge['state']; lastSeenAtMs?: number; software?: string; detectorId?: string | null },
): Promise<void> {
  await db
    .updateTable('edge')
    .set({
      ...(values.state === undefined ? {} : { state: values.state }),
      ...(values.lastSeenAtMs === undefined ? {} : { last_seen_at_ms: values.lastSeenAtMs }),
      ...(values.software === undefined ? {} : { software: values.software }),
      ...(values.detectorId === undefined ? {} : { detector_id: values.detectorId }),
    })
    .where('edge_id', '=', edgeId)
    .execute()
}

/** Nobody is connected to a hub that has just started. */
export async function markAllOffline(db: Db): Promise<void> {
  await db.updateTable('edge').set({ state: 'offline' }).where('state', '=', 'online').execute()
}

/** Edges that count as online and were last heard of before this time. */
export async function silentEdges(
  db: Db,
  beforeMs: number,
): Promise<{ edgeId: string; lastSeenAtMs: number }[]> {
  const rows = await db
    .selectFrom('edge')
    .select(['edge_id', 'last_seen_at_ms'])
    .where('state', '=', 'online')
    .where('last_seen_at_ms', '<', beforeMs)
    .execute()
  return rows.map((row) => ({ edgeId: row.edge_id, lastSeenAtMs: row.last_seen_at_ms! }))
}

export function devicesOfEdge(db: DbOrTransaction, edgeId: string): Promise<DeviceRow[]> {
  return db.selectFrom('device').select(DEVICE_COLUMNS).where('edge_id', '=', edgeId).execute()
}

export function allOwners(db: Db): Promise<{ device_id: string; edge_id: string }[]> {
  return db.selectFrom('device').select(['device_id', 'edge_id']).execute()
}

export function findDevice(db: DbOrTransaction, deviceId: string): Promise<DeviceRow | undefined> {
  return db.selectFrom('device').select(DEVICE_COLUMNS).where('device_id', '=', deviceId).executeTakeFirst()
}

/** Does nothing for a device that has become another edge's meanwhile: whoever described it first has it. */
export async function upsertDevices(
  db: DbOrTransaction,
  rows: readonly Omit<DeviceRow, 'health'>[],
  atMs: number,
): Promise<void> {
  for (let offset = 0; offset < rows.length; offset += UPSERT_ROWS) {
    await db
      .insertInto('device')
      .values(
        rows
          .slice(offset, offset + UPSERT_ROWS)
          .map((row) => ({ ...row, health: null, updated_at_ms: atMs })),
      )
      .onConflict((conflict) =>
        conflict
          .column('device_id')
          .doUpdateSet((eb) => ({
            kind: eb.ref('excluded.kind'),
            region: eb.ref('excluded.region'),
            name: eb.ref('excluded.name'),
            sensitivity: eb.ref('excluded.sensitivity'),
            description: eb.ref('excluded.description'),
            updated_at_ms: eb.ref('excluded.updated_at_ms'),
          }))
          .whereRef('device.edge_id', '=', 'excluded.edge_id' as never),
      )
      .execute()
  }
}

export async function deleteDevices(
  db: DbOrTransaction,
  edgeId: string,
  deviceIds: readonly string[],
): Promise<void> {
  for (let offset = 0; offset < deviceIds.length; offset += UPSERT_ROWS) {
    await db
      .deleteFrom('device')
      .where('edge_id', '=', edgeId)
      .where('device_id', 'in', deviceIds.slice(offset, offset + UPSERT_ROWS))
      .execute()
  }
}

/** Keeps the newest state of a checkpoint or sensor of this edge; of any other device nothing is done. */
export async function updateMeasuringHealth(
  db: DbOrTransaction,
  edgeId: string,
  health: DeviceHealth,
): Promise<void> {
  await db
    .updateTable('device')
    .set({ health: JSON.stringify(health) })
    .where('device_id', '=', health.deviceId)
    .where('edge_id', '=', edgeId)
    .where('kind', '!=', 'camera')
    .execute()
}

/** Keeps what an edge last said of itself and its box. */
export async function updateEdgeHealth(
  db: DbOrTransaction,
  edgeId: string,
  { kind: _kind, cameras: _cameras, devices: _devices, ...health }: HealthRecord,
): Promise<void> {
  await db
    .updateTable('edge')
    .set({ health: JSON.stringify(health) })
    .where('edge_id', '=', edgeId)
    .execute()
}

/** False, and nothing done, for a camera that is not this edge's. */
export async function updateHealth(
  db: DbOrTransaction,
  edgeId: string,
  health: CameraHealth,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('device')
    .set({ health: JSON.stringify(health) })
    .where('device_id', '=', health.cameraId)
    .where('edge_id', '=', edgeId)
    .where('kind', '=', 'camera')
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/**
 * Names of the divisions inside the scope. A team may be sent outside the scope of its members: they are also given the
 * names of the places of their open dispatches, and of the divisions around these.
 */
export async function listRegions(db: Db, caller: Principal): Promise<Region[]> {
  const places = await placesOfDispatches(db, caller)
  return db
    .selectFrom('region')
    .select(['code', 'name'])
    .where((eb) =>
      places.length === 0
        ? inScope(caller, eb.ref('code'))
        : eb.or([inScope(caller, eb.ref('code')), eb('code', 'in', places)]),
    )
    .orderBy('code')
    .execute()
}

async function placesOfDispatches(db: Db, caller: Principal): Promise<string[]> {
  if (!may(caller, 'dispatch.step') || caller.teamIds.length === 0) return []
  const rows = await db
    .selectFrom('dispatch')
    .select('region')
    .distinct()
    .where('team_id', 'in', [...caller.teamIds])
    .where('state', '<>', DONE)
    .execute()
  return [...new Set(rows.flatMap(({ region }) => selfAndAncestors(region)))]
}

export async function nameRegion(db: DbOrTransaction, region: Region): Promise<void> {
  await db
    .insertInto('region')
    .values(region)
    .onConflict((conflict) => conflict.column('code').doUpdateSet({ name: region.name }))
    .execute()
}

/** Who owns these devices; those that nobody has described are missing. */
export async function ownersOf(
  db: DbOrTransaction,
  deviceIds: readonly string[],
): Promise<Map<string, string>> {
  const owners = new Map<string, string>()
  for (let begin = 0; begin < deviceIds.length; begin += UPSERT_ROWS) {
    const rows = await db
      .selectFrom('device')
      .select(['device_id', 'edge_id'])
      .where('device_id', 'in', deviceIds.slice(begin, begin + UPSERT_ROWS))
      .execute()
    for (const row of rows) owners.set(row.device_id, row.edge_id)
  }
  return owners
}

export async function edgesById(db: DbOrTransaction, edgeIds: readonly string[]): Promise<Edge[]> {
  if (edgeIds.length === 0) return []
  const rows = await db
    .selectFrom('edge')
    .select(EDGE_COLUMNS)
    .where('edge_id', 'in', [...new Set(edgeIds)])
    .execute()
  return rows.map(toEdge)
}

/** Cameras with the state of their edge. */
export async function camerasById(
  db: DbOrTransaction,
  cameraIds: readonly string[],
): Promise<(DeviceRow & { edge_state: string })[]> {
  if (cameraIds.length === 0) return []
  return db
    .selectFrom('device')
    .innerJoin('edge', 'edge.edge_id', 'device.edge_id')
    .select([...DEVICE_COLUMNS, 'edge.state as edge_state'])
    .where('device.device_id', 'in', [...new Set(cameraIds)])
    .where('device.kind', '=', 'camera')
    .execute()
}
