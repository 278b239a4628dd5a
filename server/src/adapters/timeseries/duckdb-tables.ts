/**
 * How points lie in DuckDB: one table a measurement, a column for every label and field that we know, the rest as JSON
 * text in `more`. Rows are kept in the order of arrival, which is nearly that of time: DuckDB then skips whole row
 * groups by their smallest and greatest `at_ms`. There is no primary key: its index would have to stay in memory and
 * grows with every row. Identity is kept by an anti join instead, see `insertNewSql`, where a repeat is possible at
 * all, see duckdb-append.ts.
 */
import type { Measurement, Point } from '../../ports/timeseries.ts'

const LABELS: Readonly<Record<Measurement, readonly string[]>> = {
  passage: ['vehicleClass', 'plateColour', 'direction', 'plateHash', 'plateCipher', 'timing'],
  reading: ['unit', 'timing'],
  score: [],
  health: ['state'],
}
const FIELDS: Readonly<Record<Measurement, readonly string[]>> = {
  passage: ['lane', 'speedKmh'],
  reading: ['value'],
  score: ['value', 'score', 'expectedLow', 'expectedHigh'],
  health: [
    'uptimeSeconds',
    'cpuPercent',
    'memoryMb',
    'journalRecords',
    'refusedMessages',
    'framesAnalysed',
    'framesDropped',
    'inferenceMsP50',
    'taken',
    'refused',
    'clockOffsetMs',
  ],
}

export interface Column {
  name: string
  type: 'bigint' | 'varchar' | 'double'
  /** A number for `bigint` and `double`, text for `varchar`. */
  valueOf(point: Point): string | number | null
}

/** The columns of a measurement's table, in order. */
export function columnsOf(measurement: Measurement): Column[] {
  const labels = LABELS[measurement]
  const fields = FIELDS[measurement]
  const known = new Set([...labels, ...fields])
  return [
    { name: 'at_ms', type: 'bigint', valueOf: (point) => point.atMs },
    { name: 'tie_break', type: 'bigint', valueOf: (point) => point.tieBreak },
    { name: 'edge_id', type: 'varchar', valueOf: (point) => point.edgeId },
    { name: 'device_id', type: 'varchar', valueOf: (point) => point.deviceId },
    { name: 'region', type: 'varchar', valueOf: (point) => point.region },
    { name: 'series', type: 'varchar', valueOf: (point) => point.series },
    ...labels.map(
      (name): Column => ({ name, type: 'varchar', valueOf: (point) => point.labels[name] ?? null }),
    ),
    ...fields.map(
      (name): Column => ({ name, type: 'double', valueOf: (point) => point.fields[name] ?? null }),
    ),
    {
      name: 'more',
      type: 'varchar',
      valueOf: ({ labels, fields }) => {
        let rest: Record<string, string | number> | undefined
        // Of nearly every point everything is known: nothing is built for those.
        for (const part of [labels, fields]) {
          for (const name in part) {
            if (known.has(name)) continue
            rest ??= {}
            rest[name] = part[name]!
          }
        }
        return rest === undefined ? null : JSON.stringify(rest)
      },
    },
  ]
}

/** Makes the table, or adds the columns that a newer version knows; `staging` takes a batch before it is compared. */
export function createTableSql(measurement: Measurement): string[] {
  const columns = columnsOf(measurement)
  const list = columns.map(({ name, type }) => `"${name}" ${type}`).join(', ')
  return [
    `create table if not exists ${measurement} (${list})`,
    ...columns.map(
      ({ name, type }) => `alter table ${measurement} add column if not exists "${name}" ${type}`,
    ),
    `create temp table staging_${measurement} (${list})`,
  ]
}

/**
 * Moves what is new from staging into the table. The bounds on `at_ms` let DuckDB skip everything outside the batch's
 * own time. Within one batch the identity is checked by `distinct on`.
 */
export function insertNewSql(measurement: Measurement, fromMs: number, toMs: number): string {
  const names = columnsOf(measurement)
    .map(({ name }) => `"${name}"`)
    .join(', ')
  const key = 'at_ms, tie_break, edge_id, device_id, series'
  return `insert into ${measurement} (${names})
    select distinct on (${key}) ${names} from staging_${measurement} staged
    where not exists (
      select 1 from ${measurement} kept
      where kept.at_ms between ${fromMs} and ${toMs}
        and kept.at_ms = staged.at_ms and kept.tie_break = staged.tie_break and kept.edge_id = staged.edge_id
        and kept.device_id = staged.device_id and kept.series = staged.series)
    order by at_ms, tie_break`
}
