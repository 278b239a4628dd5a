/**
 * A hub's data folder with a year in it, for the query bench: places, devices, incidents with what belongs to them, and
 * points. The hub's own code makes the tables (migrations, time-series store); rows are written around it, because
 * sending a year over MQTT takes hours. The same numbers every time, but for ids.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DuckDBInstance } from '@duckdb/node-api'
import type { AlertRecord, CameraHealth, IncidentState, Severity } from '@patrolhub/protocol'
import { openRelational } from '../../server/src/adapters/relational/open.ts'
import { openTimeSeries } from '../../server/src/adapters/timeseries/open.ts'
import { dayOf } from '../../server/src/china-day.ts'
import { loadConfig } from '../../server/src/config.ts'
import { camera } from '../../server/test/support/edge-client.ts'
import { silent, testEnv } from '../../server/test/support/hub.ts'
import { Random } from '../simulator/random.ts'

const DAY_MS = 86_400_000
const YEAR_MS = 365 * DAY_MS

export const CITY = '4105'
/** Busy and quiet counties: how many of a thousand devices stand in each. */
const COUNTIES = [250, 180, 140, 120, 100, 80, 60, 40, 25, 5].map((share, index) => ({
  code: `${CITY}${String(index + 2).padStart(2, '0')}`,
  share,
}))
const TOWNSHIPS = 12
const VILLAGES = 10
const CAMERAS = 2000
export const CHECKPOINTS = 200
const SENSORS = 200
const DEVICES_AN_EDGE = 20

/** Of 100 million points: days that they spread over. Fewer points cover fewer days as densely. */
const POINT_DAYS = 90
const MINUTE_MS = 60_000

interface Place {
  deviceId: string
  edgeId: string
  region: string
}

export interface YearOfData {
  beginMs: number
  endMs: number
  pointsFromMs: number
  checkpoints: Place[]
  rows: Record<string, number>
}

const RULES = ['intrusion', 'loitering', 'crowding', 'stopped-vehicle', 'wrong-way', 'left-object'] as const
const SEVERITIES: readonly Severity[] = ['info', 'minor', 'minor', 'minor', 'major', 'major', 'critical']

/** Where devices stand: in each county by its share, each in a village, always the same. */
function places(kind: string, count: number): Place[] {
  const random = new Random(count)
  return COUNTIES.flatMap(({ code, share }) =>
    Array.from({ length: Math.max(1, Math.round((count * share) / 1000)) }, (_, index): Place => {
      const township = String(1 + Math.floor(random.next() * TOWNSHIPS)).padStart(3, '0')
      const village = String(201 + Math.floor(random.next() * VILLAGES))
      return {
        deviceId: `${kind}-${code}-${index}`,
        edgeId: `edge-${code}-${Math.floor(index / DEVICES_AN_EDGE)}`,
        region: code + township + village,
      }
    }),
  )
}

export const checkpoints = (): Place[] => places('cp', CHECKPOINTS)

/** Inserts rows of one table, many at a time. */
class Inserter {
  readonly #database: DatabaseSync
  readonly #sql: string
  readonly #many: ReturnType<DatabaseSync['prepare']>
  readonly #width: number
  #values: (string | number | null)[] = []
  rows = 0

  constructor(database: DatabaseSync, table: string, columns: readonly string[]) {
    this.#database = database
    this.#width = columns.length
    this.#sql = `insert into ${table} (${columns.join(', ')}) values `
    this.#many = database.prepare(this.#sqlFor(AT_ONCE))
  }

  add(...row: (string | number | null)[]): void {
    this.#values.push(...row)
    this.rows++
    if (this.#values.length < AT_ONCE * this.#width) return
    this.#many.run(...this.#values)
    this.#values = []
  }

  flush(): void {
    if (this.#values.length === 0) return
    this.#database.prepare(this.#sqlFor(this.#values.length / this.#width)).run(...this.#values)
    this.#values = []
  }

  #sqlFor(rows: number): string {
    const row = `(${Array.from({ length: this.#width }, () => '?').join(', ')})`
    return this.#sql + Array.from({ length: rows }, () => row).join(', ')
  }
}
const AT_ONCE = 100

/** Fills a folder that no hub uses; what is there already is an error of the caller. */
export async function fillYear(
  dataDir: string,
  { incidents, points, say }: { incidents: number; points: number; say: (text: string) => void },
): Promise<YearOfData> {
  const config = loadConfig({ env: testEnv(dataDir) })
  await (await openRelational(config, silent)).close()
  const endMs = Date.now()
  const beginMs = endMs - YEAR_MS
  const pointsFromMs = endMs - Math.ceil((points / 1e8) * POINT_DAYS * DAY_MS)

  // Tables are filled beside each other, children now and then before their parents.
  const file = join(dataDir, 'hub.sqlite')
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: false })
  database.exec('pragma synchronous = off; pragma cache_size = -2000000; pragma temp_store = memory')
  const rows: Record<string, number> = {}
  const indexes = database
    .prepare("select name, sql from sqlite_master where type = 'index' and sql is not null")
    .all() as { name: string; sql: string }[]
  // Building an index of all rows at once is much quicker than adding row after row to it.
  for (const { name } of indexes) database.exec(`drop index ${name}`)
  fillPlaces(database, endMs)
  fillIncidents(database, { incidents, beginMs, endMs, say, rows })
  say('building the indexes')
  for (const { sql } of indexes) database.exec(sql)
  const tally = database.prepare("select 1 from sqlite_master where name = 'region_tally'").get()
  if (tally) {
    database.exec(`
      insert into region_tally (region, alerts, incidents)
      select region, sum(alerts), sum(incidents) from (
        select region, count(*) as alerts, 0 as incidents from alert group by region
        union all select region, 0, count(*) from incident group by region
      ) group by region`)
  }
  database.exec('pragma wal_checkpoint(truncate)')
  database.close()

  await fillPoints(dataDir, { points, pointsFromMs, endMs, say, rows })
  return { beginMs, endMs, pointsFromMs, checkpoints: checkpoints(), rows }
}

function fillPlaces(database: DatabaseSync, nowMs: number): void {
  const cameras = places('cam', CAMERAS)
  const all = [
    ...cameras.map((place) => ({ ...place, kind: 'camera' })),
    ...checkpoints().map((place) => ({ ...place, kind: 'checkpoint' })),
    ...places('sensor', SENSORS).map((place) => ({ ...place, kind: 'sensor' })),
  ]
  const edges = new Map(all.map(({ edgeId, region }) => [edgeId, region.slice(0, 6)]))
  database.exec('begin')
  const addEdge = new Inserter(database, 'edge', [
    'edge_id',
    'name',
    'region',
    'token_hash',
    'state',
    'last_seen_at_ms',
    'software',
    'detector_id',
  ])
  for (const [edgeId, region] of edges) {
    addEdge.add(edgeId, `Edge ${edgeId}`, region, randomUUID(), 'online', nowMs, 'bench', null)
  }
  addEdge.flush()
  const addDevice = new Inserter(database, 'device', [
    'device_id',
    'edge_id',
    'kind',
    'region',
    'name',
    'sensitivity',
    'description',
    'health',
    'updated_at_ms',
  ])
  const healthOf = (cameraId: string): CameraHealth => ({
    cameraId,
    state: 'online',
    why: '',
    framesAnalysed: 123_456,
    framesDropped: 12,
    inferenceMsP50: 41,
  })
  for (const { deviceId, edgeId, region, kind } of all) {
    const name = `Device ${deviceId}`
    const description =
      kind === 'camera'
        ? { ...camera(deviceId), name, region }
        : kind === 'checkpoint'
          ? { checkpointId: deviceId, name, region, lanes: 4 }
          : { sensorId: deviceId, name, region, quantity: 'water_level', unit: 'm' }
    addDevice.add(
      deviceId,
      edgeId,
      kind,
      region,
      name,
      'public',
      JSON.stringify(description),
      kind === 'camera' ? JSON.stringify(healthOf(deviceId)) : null,
      nowMs,
    )
  }
  addDevice.flush()
  const addTeam = new Inserter(database, 'team', ['team_id', 'name', 'region', 'kind'])
  for (const { code } of COUNTIES) {
    for (let index = 1; index <= TOWNSHIPS; index++) {
      const region = code + String(index).padStart(3, '0')
      addTeam.add(`team-${region}`, `Team ${region}`, region, 'cadre')
    }
  }
  addTeam.flush()
  database.exec('commit')
}

/** What became of an incident: old ones have ended, but for a few that everybody forgot; of the newest many are open. */
function stateOf(random: Random, ageMs: number): IncidentState {
  const isOpen = random.next() < (ageMs < 3 * DAY_MS ? 0.35 : 0.001)
  if (!isOpen) return random.next() < 0.85 ? 'closed' : 'dismissed'
  return random.pick(['reported', 'reported', 'accepted', 'assigned', 'en_route', 'on_scene', 'handled'])
}

const DISPATCHED: readonly IncidentState[] = ['assigned', 'en_route', 'on_scene']
const WAY: readonly IncidentState[] = [
  'reported',
  'accepted',
  'assigned',
  'acknowledged',
  'en_route',
  'on_scene',
  'handled',
  'verified',
  'closed',
]

function fillIncidents(
  database: DatabaseSync,
  request: {
    incidents: number
    beginMs: number
    endMs: number
    say: (text: string) => void
    rows: Record<string, number>
  },
): void {
  const { incidents, beginMs, endMs, say, rows } = request
  const random = new Random(incidents)
  const cameras = places('cam', CAMERAS)
  const add = {
    incident: new Inserter(database, 'incident', [
      'incident_id',
      'number',
      'region',
      'state',
      'severity',
      'rule',
      'device_id',
      'device_kind',
      'reason',
      'opened_at_ms',
      'last_alert_at_ms',
      'updated_at_ms',
      'alert_count',
      'snapshot_id',
      'is_drill',
    ]),
    alert: new Inserter(database, 'alert', [
      'alert_id',
      'edge_id',
      'device_id',
      'device_kind',
      'region',
      'rule',
      'severity',
      'at_ms',
      'received_at_ms',
      'incident_id',
      'record',
    ]),
    transition: new Inserter(database, 'transition', [
      'incident_id',
      'at_ms',
      'from_state',
      'to_state',
      'actor_id',
      'actor_name',
      'note',
    ]),
    dispatch: new Inserter(database, 'dispatch', [
      'dispatch_id',
      'incident_id',
      'team_id',
      'region',
      'state',
      'instruction',
      'created_by',
      'created_at_ms',
      'acknowledge_by_ms',
      'arrive_by_ms',
    ]),
    step: new Inserter(database, 'dispatch_step', [
      'dispatch_id',
      'at_ms',
      'state',
      'actor_id',
      'actor_name',
      'note',
    ]),
    evidence: new Inserter(database, 'evidence', [
      'evidence_id',
      'alert_id',
      'dispatch_id',
      'region',
      'role',
      'mime',
      'sha256',
      'bytes',
      'at_ms',
      'stored_at_ms',
    ]),
  }
  const flush = () => {
    for (const inserter of Object.values(add)) inserter.flush()
  }
  let day = ''
  let ofDay = 0
  database.exec('begin')
  for (let index = 0; index < incidents; index++) {
    const openedAtMs = Math.floor(beginMs + ((index + random.next()) / incidents) * (endMs - beginMs))
    const { deviceId, edgeId, region } = random.pick(cameras)
    const incidentId = randomUUID()
    const rule = random.pick(RULES)
    const severity = random.pick(SEVERITIES)
    const state = stateOf(random, endMs - openedAtMs)
    const alertCount = 1 + Math.floor(random.next() ** 2 * 4)
    const lastAlertAtMs = Math.min(endMs, openedAtMs + (alertCount - 1) * 40_000)
    const snapshotId = randomUUID()
    if (dayOf(openedAtMs) !== day) {
      day = dayOf(openedAtMs)
      ofDay = 0
    }
    ofDay++
    add.incident.add(
      incidentId,
      `${day}-${String(ofDay).padStart(4, '0')}`,
      region,
      state,
      severity,
      rule,
      deviceId,
      'camera',
      'a person entered the zone',
      openedAtMs,
      lastAlertAtMs,
      lastAlertAtMs,
      alertCount,
      snapshotId,
      random.next() < 0.01 ? 1 : 0,
    )
    for (let count = 0; count < alertCount; count++) {
      const atMs = Math.min(endMs, openedAtMs + count * 40_000)
      const alertId = randomUUID()
      const evidenceId = count === 0 ? snapshotId : randomUUID()
      const record = alert({ alertId, atMs, deviceId, region, rule, severity, evidenceIds: [evidenceId] })
      add.alert.add(
        alertId,
        edgeId,
        deviceId,
        'camera',
        region,
        rule,
        severity,
        atMs,
        atMs + 80,
        incidentId,
        JSON.stringify(record),
      )
      const sha256 = (evidenceId + alertId).replaceAll('-', '')
      add.evidence.add(
        evidenceId,
        alertId,
        null,
        region,
        'snapshot',
        'image/jpeg',
        sha256,
        81_234,
        atMs,
        atMs + 900,
      )
    }
    const isDispatched = DISPATCHED.includes(state) || (state === 'closed' && random.next() < 0.18)
    const end = state === 'dismissed' ? 'reported' : state
    let from: IncidentState | null = null
    const way = WAY.slice(0, WAY.indexOf(end) + 1).filter(
      (one) => isDispatched || !['assigned', 'acknowledged', 'en_route', 'on_scene'].includes(one),
    )
    for (const [step, to] of [...way, ...(state === 'dismissed' ? [state] : [])].entries()) {
      const actor = step === 0 ? [null, 'system'] : ['user', 'Officer on duty']
      add.transition.add(incidentId, openedAtMs + step * 60_000, from, to, ...actor, '')
      from = to
    }
    if (isDispatched) {
      const dispatchId = randomUUID()
      const atMs = openedAtMs + 120_000
      add.dispatch.add(
        dispatchId,
        incidentId,
        `team-${region.slice(0, 9)}`,
        region,
        state,
        'go and look',
        'user',
        atMs,
        atMs + 300_000,
        atMs + 1_200_000,
      )
      const steps = ['assigned', 'acknowledged', 'en_route', 'on_scene', 'closed']
      for (const [step, name] of steps.slice(0, steps.indexOf(state) + 1).entries()) {
        add.step.add(dispatchId, atMs + step * 60_000, name, 'user', 'Patroller', '')
      }
    }
    if ((index + 1) % 100_000 !== 0) continue
    flush()
    database.exec('commit; begin')
    say(`${index + 1} incidents`)
  }
  flush()
  database
    .prepare("insert or replace into setting (name, value) values ('incident.last-number', ?)")
    .run(`${day}-${String(ofDay).padStart(4, '0')}`)
  database.exec('commit')
  for (const [name, inserter] of Object.entries(add)) rows[name] = inserter.rows
}

function alert(
  more: Pick<AlertRecord, 'alertId' | 'atMs' | 'deviceId' | 'region' | 'rule' | 'severity' | 'evidenceIds'>,
): AlertRecord {
  return {
    kind: 'alert',
    ...more,
    deviceKind: 'camera',
    ruleName: 'north fence',
    score: 0.91,
    reason: 'a person entered the zone',
    facts: { className: 'person', secondsInZone: 3, objectsSinceLastAlert: 1 },
    objects: [
      { trackId: 17, className: 'person', score: 0.91, boxNorm: [0.41, 0.32, 0.08, 0.21], isSubject: true },
      { trackId: 12, className: 'car', score: 0.77, boxNorm: [0.11, 0.52, 0.18, 0.11], isSubject: false },
    ],
    trackPath: [
      [0.31, 0.42],
      [0.34, 0.45],
      [0.38, 0.47],
      [0.42, 0.51],
    ],
    zone: [
      [0.2, 0.3],
      [0.8, 0.3],
      [0.8, 0.9],
      [0.2, 0.9],
    ],
  }
}

/**
 * A score a minute of every checkpoint's flow, a reading a minute of every other sensor, and passages for the rest, in
 * the order of time. Which stretches need summing up the store then finds out by itself, as in a file from before there
 * were sums.
 */
async function fillPoints(
  dataDir: string,
  request: {
    points: number
    pointsFromMs: number
    endMs: number
    say: (text: string) => void
    rows: Record<string, number>
  },
): Promise<void> {
  const { points, pointsFromMs, endMs, say, rows } = request
  const config = loadConfig({ env: testEnv(dataDir) })
  await (await openTimeSeries(config, dataDir, silent)).close()
  const instance = await DuckDBInstance.create(join(dataDir, 'points.duckdb'), {
    threads: '2',
    memory_limit: '4GB',
    checkpoint_threshold: '1GB',
  })
  const connection = await instance.connect()
  await connection.run('drop table if exists stale_stretch')
  const standing = async (table: string, list: readonly Place[]) => {
    await connection.run(
      `create temp table ${table} (n integer, device_id varchar, edge_id varchar, region varchar)`,
    )
    const values = list.map(
      ({ deviceId, edgeId, region }, n) => `(${n}, '${deviceId}', '${edgeId}', '${region}')`,
    )
    await connection.run(`insert into ${table} values ${values.join(', ')}`)
    return list.length
  }
  const atCheckpoints = await standing('checkpoint', checkpoints())
  const sensors = places('sensor', SENSORS).filter((_, index) => index % 2 === 0)
  const atSensors = await standing('sensor', sensors)

  const minutes = Math.floor((endMs - pointsFromMs) / MINUTE_MS)
  rows.score = minutes * atCheckpoints
  rows.reading = minutes * atSensors
  rows.passage = points - rows.score - rows.reading
  const days = Math.ceil(minutes / 1440)
  for (let day = 0; day < days; day++) {
    const fromMinute = day * 1440
    const toMinute = Math.min(minutes, fromMinute + 1440)
    const from = Math.floor((rows.passage * fromMinute) / minutes)
    const to = Math.floor((rows.passage * toMinute) / minutes)
    const everyMs = (endMs - pointsFromMs) / rows.passage
    const of = (scale: number) => `(hash(i * ${scale}) % 1000) / 1000.0`
    await connection.run(`
      insert into passage by name
      select ${pointsFromMs} + floor(i * ${everyMs})::bigint as at_ms, i as tie_break, edge_id, device_id, region,
        '' as series, ['K31', 'K33', 'H11', 'M21'][1 + ((hash(i) // 7) % 4)::integer] as "vehicleClass",
        ['blue', 'green', 'yellow'][1 + ((hash(i) // 11) % 3)::integer] as "plateColour",
        ['in', 'out'][1 + ((hash(i) // 13) % 2)::integer] as direction,
        sha256(((hash(i) // 17) % 300000)::varchar) as "plateHash",
        '1.' || sha256(i::varchar) as "plateCipher",
        ((hash(i) // 19) % 4)::double as lane, 20 + 60 * ${of(3)} as "speedKmh"
      from range(${from}, ${to}) numbers(i) join checkpoint on n = hash(i) % ${atCheckpoints}`)
    const perMinute = (table: string) =>
      `from range(${fromMinute}, ${toMinute}) numbers(i), (select * from ${table}) place`
    await connection.run(`
      insert into score by name
      select ${pointsFromMs} + i * ${MINUTE_MS} as at_ms, i as tie_break, edge_id, device_id, region, 'flow' as series,
        (hash(i * 1000 + n) % 60)::double as "value", ${of(5)} as score, 10.5 as "expectedLow", 49.25 as "expectedHigh"
      ${perMinute('checkpoint')}`)
    await connection.run(`
      insert into reading by name
      select ${pointsFromMs} + i * ${MINUTE_MS} as at_ms, i as tie_break, edge_id, device_id, region,
        'water_level' as series, 'm' as unit, (hash(i * 1000 + n) % 1000) / 100.0 as "value"
      ${perMinute('sensor')}`)
    if (day % 10 === 9) say(`points of ${day + 1} of ${days} days`)
  }
  await connection.run('checkpoint')
  connection.closeSync()
  instance.closeSync()

  say('summing up')
  const store = await openTimeSeries(config, dataDir, silent)
  const beganMs = performance.now()
  const stretches = await store.runRollups(endMs)
  say(`${stretches} stretches summed up in ${Math.round((performance.now() - beganMs) / 1000)} s`)
  await store.close()
}
