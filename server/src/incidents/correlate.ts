/**
 * Puts alerts into incidents: alerts of the same device and rule that follow each other within the window are one
 * incident. Runs inside ingest's transaction; writers come one after another, so two alerts never open two incidents
 * for one thing. Many alerts cost few statements: what they may join is read once, what became of it is written once.
 */
import { randomUUID } from 'node:crypto'
import { type AlertRecord, covers, type Severity } from '@patrolhub/protocol'
import { sql } from 'kysely'
import type { DbOrTransaction } from '../ports/relational.ts'
import { takeNumbers } from './incident-number.ts'
import type { Correlation, NewAlert } from './incidents.ts'
import { ENDED_STATES } from './state.ts'

const RANK: Readonly<Record<Severity, number>> = { info: 0, minor: 1, major: 2, critical: 3 }
/** Alerts in one round of statements, so that the parameters stay below what SQLite takes. */
const AT_ONCE = 500

/** The worse of two. */
export function worseOf(a: Severity, b: Severity): Severity {
  return RANK[a] >= RANK[b] ? a : b
}

/** An incident that alerts may join, as it stands while they are taken. */
interface Candidate {
  incidentId: string
  severity: Severity
  openedAtMs: number
  lastAlertAtMs: number
  receivedAtMs: number
  /** Alerts that joined it in this round. */
  joined: number
  /** The first alert of one that is new. */
  first?: AlertRecord
}

/** See `Incidents.correlate`. */
export async function correlate(
  trx: DbOrTransaction,
  alerts: readonly NewAlert[],
  windowMs: number,
): Promise<Correlation[]> {
  const outcomes: Correlation[] = []
  for (let begin = 0; begin < alerts.length; begin += AT_ONCE) {
    outcomes.push(...(await correlateRound(trx, alerts.slice(begin, begin + AT_ONCE), windowMs)))
  }
  return outcomes
}

async function correlateRound(
  trx: DbOrTransaction,
  alerts: readonly NewAlert[],
  windowMs: number,
): Promise<Correlation[]> {
  const known = await knownAlerts(trx, alerts)
  const candidates = await openIncidents(trx, alerts, windowMs)
  const rows: { alert: NewAlert; incidentId: string }[] = []
  const outcomes = alerts.map((alert): Correlation => {
    const { record, edge } = alert
    if (!covers(edge.region, record.region)) {
      return { ok: false, reason: `region ${record.region} lies outside the edge's (${edge.region})` }
    }
    const before = known.get(record.alertId)
    if (before) {
      return before.edgeId === edge.edgeId
        ? { ok: true, incidentId: before.incidentId, isNewIncident: false, isRepeat: true }
        : { ok: false, reason: `alert ${record.alertId} is known from another edge` }
    }
    const key = keyOf(record)
    const group = candidates.get(key) ?? []
    candidates.set(key, group)
    const joined = bestOf(group, record.atMs, windowMs)
    const candidate = joined ?? opened(alert)
    if (joined) {
      joined.severity = worseOf(joined.severity, record.severity)
      joined.lastAlertAtMs = Math.max(joined.lastAlertAtMs, record.atMs)
      joined.receivedAtMs = alert.receivedAtMs
      joined.joined += 1
    } else group.push(candidate)
    const { incidentId } = candidate
    known.set(record.alertId, { edgeId: edge.edgeId, incidentId })
    rows.push({ alert, incidentId })
    return { ok: true, incidentId, isNewIncident: joined === undefined, isRepeat: false }
  })
  const changed = [...candidates.values()].flat().filter(({ joined }) => joined > 0)
  await insertIncidents(
    trx,
    changed.filter(({ first }) => first !== undefined),
  )
  await updateIncidents(
    trx,
    changed.filter(({ first }) => first === undefined),
  )
  await insertAlerts(trx, rows)
  await tally(trx, rows, candidates)
  return outcomes
}

/** A drill stays a drill, and an incident lies in one place even if its camera was moved. */
function keyOf(thing: Pick<AlertRecord, 'deviceId' | 'rule' | 'region' | 'isDrill'>): string {
  return JSON.stringify([thing.deviceId, thing.rule, thing.region, thing.isDrill ?? false])
}

/** The one with the newest alert of those near enough. Alerts may come late and out of order. */
function bestOf(group: readonly Candidate[], atMs: number, windowMs: number): Candidate | undefined {
  let best: Candidate | undefined
  for (const candidate of group) {
    const isNear = candidate.lastAlertAtMs >= atMs - windowMs && candidate.openedAtMs <= atMs + windowMs
    if (!isNear) continue
    const isBetter =
      !best ||
      candidate.lastAlertAtMs > best.lastAlertAtMs ||
      (candidate.lastAlertAtMs === best.lastAlertAtMs && candidate.incidentId < best.incidentId)
    if (isBetter) best = candidate
  }
  return best
}

function opened({ record, receivedAtMs }: NewAlert): Candidate {
  return {
    incidentId: randomUUID(),
    severity: record.severity,
    openedAtMs: record.atMs,
    lastAlertAtMs: record.atMs,
    receivedAtMs,
    joined: 1,
    first: record,
  }
}

async function knownAlerts(
  trx: DbOrTransaction,
  alerts: readonly NewAlert[],
): Promise<Map<string, { edgeId: string; incidentId: string }>> {
  if (alerts.length === 0) return new Map()
  const ids = alerts.map(({ record }) => record.alertId)
  const rows = await trx
    .selectFrom('alert')
    .select(['alert_id', 'edge_id', 'incident_id'])
    .where('alert_id', 'in', ids)
    .execute()
  return new Map(rows.map((row) => [row.alert_id, { edgeId: row.edge_id, incidentId: row.incident_id }]))
}

async function openIncidents(
  trx: DbOrTransaction,
  alerts: readonly NewAlert[],
  windowMs: number,
): Promise<Map<string, Candidate[]>> {
  if (alerts.length === 0) return new Map()
  const times = alerts.map(({ record }) => record.atMs)
  const rows = await trx
    .selectFrom('incident')
    .select([
      'incident_id',
      'device_id',
      'rule',
      'region',
      'is_drill',
      'severity',
      'opened_at_ms',
      'last_alert_at_ms',
    ])
    .where('device_id', 'in', [...new Set(alerts.map(({ record }) => record.deviceId))])
    .where('rule', 'in', [...new Set(alerts.map(({ record }) => record.rule))])
    .where('last_alert_at_ms', '>=', Math.min(...times) - windowMs)
    .where('opened_at_ms', '<=', Math.max(...times) + windowMs)
    .where('state', 'not in', [...ENDED_STATES])
    .execute()
  const groups = Map.groupBy(rows, (row) =>
    keyOf({ deviceId: row.device_id, rule: row.rule, region: row.region, isDrill: row.is_drill === 1 }),
  )
  return new Map(
    [...groups].map(([key, group]) => [
      key,
      group.map((row) => ({
        incidentId: row.incident_id,
        severity: row.severity as Severity,
        openedAtMs: row.opened_at_ms,
        lastAlertAtMs: row.last_alert_at_ms,
        receivedAtMs: 0,
        joined: 0,
      })),
    ]),
  )
}

async function insertIncidents(trx: DbOrTransaction, fresh: readonly Candidate[]): Promise<void> {
  if (fresh.length === 0) return
  // By the hub's clock: an edge's may be wrong by years.
  const numbers = await takeNumbers(trx, fresh[0]!.receivedAtMs, fresh.length)
  const rows = fresh.map((candidate, index) => {
    const { incidentId, receivedAtMs } = candidate
    const first = candidate.first!
    return {
      incident_id: incidentId,
      number: numbers[index]!,
      region: first.region,
      state: 'reported',
      severity: candidate.severity,
      rule: first.rule,
      device_id: first.deviceId,
      device_kind: first.deviceKind,
      reason: first.reason,
      opened_at_ms: candidate.openedAtMs,
      last_alert_at_ms: candidate.lastAlertAtMs,
      updated_at_ms: receivedAtMs,
      alert_count: candidate.joined,
      snapshot_id: null,
      is_drill: first.isDrill ? 1 : 0,
    } as const
  })
  await trx.insertInto('incident').values(rows).execute()
  await trx
    .insertInto('transition')
    .values(
      fresh.map(({ incidentId, receivedAtMs }) => ({
        incident_id: incidentId,
        at_ms: receivedAtMs,
        from_state: null,
        to_state: 'reported',
        actor_id: null,
        actor_name: 'system',
        note: '',
      })),
    )
    .execute()
}

async function updateIncidents(trx: DbOrTransaction, joined: readonly Candidate[]): Promise<void> {
  if (joined.length === 0) return
  const rows = joined.map(
    ({ incidentId, severity, lastAlertAtMs, receivedAtMs, joined: count }) =>
      sql`(${incidentId}, ${severity}, cast(${lastAlertAtMs} as bigint), cast(${receivedAtMs} as bigint), cast(${count} as bigint))`,
  )
  // The columns of VALUES have the same names in both engines.
  await sql`
    update incident set
      severity = fresh.column2,
      last_alert_at_ms = fresh.column3,
      updated_at_ms = fresh.column4,
      alert_count = alert_count + fresh.column5
    from (values ${sql.join(rows)}) as fresh
    where incident.incident_id = fresh.column1`.execute(trx)
}

async function insertAlerts(
  trx: DbOrTransaction,
  rows: readonly { alert: NewAlert; incidentId: string }[],
): Promise<void> {
  if (rows.length === 0) return
  await trx
    .insertInto('alert')
    .values(
      rows.map(({ alert: { record, edge, receivedAtMs }, incidentId }) => ({
        alert_id: record.alertId,
        edge_id: edge.edgeId,
        device_id: record.deviceId,
        device_kind: record.deviceKind,
        region: record.region,
        rule: record.rule,
        severity: record.severity,
        at_ms: record.atMs,
        received_at_ms: receivedAtMs,
        incident_id: incidentId,
        record: JSON.stringify(record),
      })),
    )
    .execute()
}

/** Counts what was just stored, by region: a total must not cost a look at every row there is. */
async function tally(
  trx: DbOrTransaction,
  rows: readonly { alert: NewAlert }[],
  candidates: ReadonlyMap<string, readonly Candidate[]>,
): Promise<void> {
  const counts = new Map<string, { region: string; alerts: number; incidents: number }>()
  const of = (region: string) => {
    const count = counts.get(region) ?? { region, alerts: 0, incidents: 0 }
    counts.set(region, count)
    return count
  }
  for (const { alert } of rows) of(alert.record.region).alerts += 1
  for (const { first } of [...candidates.values()].flat()) if (first) of(first.region).incidents += 1
  if (counts.size === 0) return
  await trx
    .insertInto('region_tally')
    .values([...counts.values()])
    .onConflict((conflict) =>
      conflict.column('region').doUpdateSet((eb) => ({
        alerts: eb('region_tally.alerts', '+', eb.ref('excluded.alerts')),
        incidents: eb('region_tally.incidents', '+', eb.ref('excluded.incidents')),
      })),
    )
    .execute()
}
