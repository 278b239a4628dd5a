/**
 * How long evidence stays: when its bytes were deleted, when the hub gave up waiting for them, and why an incident's
 * evidence is held. The indexes keep the sweeps short however many rows there are.
 */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('evidence').addColumn('deleted_at_ms', 'bigint').execute()
  await db.schema.alterTable('evidence').addColumn('missing_at_ms', 'bigint').execute()
  await db.schema.alterTable('incident').addColumn('hold_reason', 'text').execute()
  await db.schema.createIndex('evidence_by_sha256').on('evidence').columns(['sha256']).execute()
  await db.schema
    .createIndex('evidence_stored_by_stored_at_ms')
    .on('evidence')
    .columns(['stored_at_ms'])
    .where('stored_at_ms' as never, 'is not', null)
    .execute()
  await db.schema
    .createIndex('evidence_awaited_by_alert_id')
    .on('evidence')
    .columns(['alert_id'])
    .where('stored_at_ms' as never, 'is', null)
    .where('deleted_at_ms' as never, 'is', null)
    .where('missing_at_ms' as never, 'is', null)
    .execute()
  await db.schema
    .createIndex('evidence_missing_by_missing_at_ms')
    .on('evidence')
    .columns(['missing_at_ms'])
    .where('missing_at_ms' as never, 'is not', null)
    .execute()
}
