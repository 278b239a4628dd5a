/** Passages that alerts tell of, while their incident is open or held: neither they nor their plates are deleted. */
import { ABOUT_NO_PASSAGE, type AlertRecord } from '@patrolhub/protocol'
import type { KeptPassage } from '../ports/plate-store.ts'
import type { Db } from '../ports/relational.ts'
import { OPEN_STATES } from './state.ts'

/**
 * Those from before this time. An alert bears the checkpoint and the very time of its passage; that of a cloned plate
 * those of the other passage too.
 */
export async function keptPassages(db: Db, beforeMs: number): Promise<KeptPassage[]> {
  // The open states one by one: "not ended" would be looked for in every row there is.
  const rows = await db
    .selectFrom('incident')
    .innerJoin('alert', 'alert.incident_id', 'incident.incident_id')
    .select(['alert.device_id', 'alert.at_ms', 'alert.rule', 'alert.record'])
    .where((eb) =>
      eb.or([eb('incident.state', 'in', OPEN_STATES), eb('incident.hold_reason', 'is not', null)]),
    )
    .where('alert.device_kind', '=', 'checkpoint')
    .where('alert.rule', 'not in', ABOUT_NO_PASSAGE)
    .where('alert.at_ms', '<', beforeMs)
    .execute()
  return rows.flatMap(({ device_id, at_ms, rule, record }) => [
    { deviceId: device_id, atMs: at_ms },
    ...(rule === 'cloned-plate' ? otherPassage(record) : []),
  ])
}

function otherPassage(record: string): KeptPassage[] {
  const { otherCheckpointId, otherAtMs } = (JSON.parse(record) as AlertRecord).facts
  return typeof otherCheckpointId === 'string' && typeof otherAtMs === 'number'
    ? [{ deviceId: otherCheckpointId, atMs: otherAtMs }]
    : []
}
