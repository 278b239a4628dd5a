/** Decides whether one record can be taken from this edge. A record that cannot is set aside and blocks nobody. */
import {
  covers,
  type JournalRecord,
  type Parsed,
  parser,
  RECORD_SCHEMAS,
  type Stream,
  streamOf,
} from '@patrolhub/protocol'
import type { EdgeIdentity } from '../ports/broker.ts'
import { jsonText } from './json-text.ts'

/** `why` is for counting, `reason` is for the engineer. */
export type CheckedRecord =
  | { ok: true; record: JournalRecord }
  | { ok: false; why: RefusedBecause; reason: string }
export type RefusedBecause = 'kind' | 'schema' | 'stream' | 'region' | 'device' | 'clock' | 'store'

/** A clock that runs ahead further than this would put its records before everybody's newest for ever. */
const MAX_AHEAD_MS = 24 * 3600_000

const PARSERS = Object.fromEntries(
  Object.entries(RECORD_SCHEMAS).map(([kind, schema]) => [kind, parser(schema)]),
) as Record<string, (input: unknown) => Parsed<JournalRecord>>

export interface RecordContext {
  edge: EdgeIdentity
  stream: Stream
  nowMs: number
  /** The edge that speaks for a device, if any has described it. */
  ownerOf(deviceId: string): string | undefined
}

export function checkRecord(input: unknown, context: RecordContext): CheckedRecord {
  const kind = typeof input === 'object' && input !== null ? (input as { kind?: unknown }).kind : undefined
  const parse = typeof kind === 'string' && Object.hasOwn(PARSERS, kind) ? PARSERS[kind] : undefined
  if (!parse)
    return refused(
      'kind',
      `no such kind of record: ${kind === undefined ? kind : jsonText(kind).slice(0, 100)}`,
    )
  const parsed = parse(input)
  if (!parsed.ok) return refused('schema', parsed.problems.join('; '))

  const record = parsed.value
  const { edge } = context
  if (streamOf(record.kind) !== context.stream) {
    return refused(
      'stream',
      `a record of kind ${record.kind} does not belong on the stream ${context.stream}`,
    )
  }
  if (record.atMs > context.nowMs + MAX_AHEAD_MS) {
    return refused('clock', `its time ${new Date(record.atMs).toISOString()} lies more than a day ahead`)
  }
  if ('region' in record && !covers(edge.region, record.region)) {
    return refused('region', `region ${record.region} lies outside the edge's region ${edge.region}`)
  }
  if ('deviceId' in record) {
    const owner = context.ownerOf(record.deviceId)
    if (owner !== undefined && owner !== edge.edgeId) {
      return refused('device', `device ${record.deviceId} belongs to edge ${owner}`)
    }
  }
  return { ok: true, record }
}

function refused(why: RefusedBecause, reason: string): CheckedRecord {
  return { ok: false, why, reason }
}
