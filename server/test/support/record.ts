/** Rows that searches of the record find. */
import { randomUUID } from 'node:crypto'
import type { Relational } from '../../src/ports/relational.ts'

export function cameraOf(
  edgeId: string,
  more: { name?: string; region?: string; sensitivity?: string } = {},
) {
  return {
    device_id: `cam-${randomUUID().slice(0, 8)}`,
    edge_id: edgeId,
    kind: 'camera' as const,
    region: more.region ?? '410502003',
    name: more.name ?? 'A camera',
    sensitivity: more.sensitivity ?? 'public',
    description: '{}',
    health: null,
    updated_at_ms: 0,
  }
}

/** A grant that is over, for viewings under it; answers its id. */
export async function addGrant(
  relational: Relational,
  grant: {
    userId: string
    cameraId: string
    incidentId?: string
    note?: string
    purpose?: string
    region?: string
  },
): Promise<string> {
  const grantId = randomUUID()
  await relational.write
    .insertInto('viewing_grant')
    .values({
      grant_id: grantId,
      user_id: grant.userId,
      target_kind: 'camera',
      target_id: grant.cameraId,
      region: grant.region ?? '410502003',
      purpose: grant.purpose ?? 'alert_check',
      note: grant.note ?? '',
      incident_id: grant.incidentId ?? null,
      state: 'expired',
      begin_at_ms: 0,
      end_at_ms: 1,
      approver_id: null,
      created_at_ms: 0,
    })
    .execute()
  return grantId
}
