/**
 * Groups of cameras, and emergency plans that open groups to their command. A grant is for a target, a camera or a
 * group; one that an activated plan gave names the activation.
 */
import type { Kysely } from 'kysely'

const CASCADE = 'cascade'

async function groups(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('camera_group')
    .addColumn('group_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('region', 'text', (column) => column.notNull())
    .execute()
  // No reference to the device: an edge may leave a camera out and bring it back.
  await db.schema
    .createTable('camera_group_member')
    .addColumn('group_id', 'text', (column) =>
      column.notNull().references('camera_group.group_id').onDelete(CASCADE),
    )
    .addColumn('camera_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('camera_group_member_key', ['group_id', 'camera_id'])
    .execute()
}

async function plans(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('plan')
    .addColumn('plan_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('region', 'text', (column) => column.notNull())
    .addColumn('written_by', 'text', (column) => column.notNull().references('user_account.user_id'))
    .addColumn('written_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('approved_by', 'text', (column) => column.references('user_account.user_id'))
    .addColumn('approved_at_ms', 'bigint')
    .addColumn('approved_cameras', 'text')
    .execute()
  await db.schema
    .createTable('plan_group')
    .addColumn('plan_id', 'text', (column) => column.notNull().references('plan.plan_id').onDelete(CASCADE))
    .addColumn('group_id', 'text', (column) => column.notNull().references('camera_group.group_id'))
    .addPrimaryKeyConstraint('plan_group_key', ['plan_id', 'group_id'])
    .execute()
  await db.schema
    .createTable('plan_command')
    .addColumn('plan_id', 'text', (column) => column.notNull().references('plan.plan_id').onDelete(CASCADE))
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('subject_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('plan_command_key', ['plan_id', 'kind', 'subject_id'])
    .execute()
  await db.schema
    .createTable('plan_activation')
    .addColumn('activation_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('plan_id', 'text', (column) => column.notNull().references('plan.plan_id'))
    .addColumn('is_drill', 'integer', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('begun_by', 'text', (column) => column.notNull().references('user_account.user_id'))
    .addColumn('begin_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('end_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_at_ms', 'bigint')
    .execute()
  await db.schema
    .createIndex('plan_activation_by_plan_id')
    .on('plan_activation')
    .columns(['plan_id', 'begin_at_ms'])
    .execute()
}

async function grants(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('viewing_grant').renameColumn('camera_id', 'target_id').execute()
  await db.schema
    .alterTable('viewing_grant')
    .addColumn('target_kind', 'text', (column) => column.notNull().defaultTo('camera'))
    .execute()
  await db.schema.alterTable('viewing_grant').addColumn('asked_cameras', 'text').execute()
  await db.schema.alterTable('viewing_grant').addColumn('activation_id', 'text').execute()
  await db.schema
    .createIndex('viewing_grant_by_activation_id')
    .on('viewing_grant')
    .columns(['activation_id'])
    .execute()
  await db.schema
    .createIndex('viewing_grant_by_target')
    .on('viewing_grant')
    .columns(['target_id', 'state'])
    .execute()
}

export async function up(db: Kysely<unknown>): Promise<void> {
  await groups(db)
  await plans(db)
  await grants(db)
}
