/**
 * Who may do what: roles as rows, duty and hours of a user, second factors, failed sign-ins counted for all hubs on one
 * store, service tokens, identities at an OpenID provider. What the built-in roles may do is written by access/roles.ts
 * when the hub starts.
 */
import type { Kysely } from 'kysely'

const CASCADE = 'cascade'

async function roles(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('role')
    .addColumn('role_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('is_built_in', 'integer', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('role_permission')
    .addColumn('role_id', 'text', (column) => column.notNull().references('role.role_id').onDelete(CASCADE))
    .addColumn('permission', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('role_permission_key', ['role_id', 'permission'])
    .execute()
  await db.schema
    .createTable('permission_seen')
    .addColumn('permission', 'text', (column) => column.primaryKey().notNull())
    .execute()
  await db.schema
    .alterTable('user_account')
    .addColumn('is_on_duty', 'integer', (column) => column.notNull().defaultTo(1))
    .execute()
  await db.schema.alterTable('user_account').addColumn('allowed_hours', 'text').execute()
}

async function signIn(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('session')
    .addColumn('method', 'text', (column) => column.notNull().defaultTo('password'))
    .execute()
  await db.schema
    .createTable('second_factor')
    .addColumn('user_id', 'text', (column) =>
      column.primaryKey().notNull().references('user_account.user_id').onDelete(CASCADE),
    )
    .addColumn('secret_sealed', 'text', (column) => column.notNull())
    .addColumn('confirmed_at_ms', 'bigint')
    .addColumn('last_step', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('recovery_code')
    .addColumn('code_hash', 'text', (column) => column.primaryKey().notNull())
    .addColumn('user_id', 'text', (column) =>
      column.notNull().references('user_account.user_id').onDelete(CASCADE),
    )
    .execute()
  await db.schema.createIndex('recovery_code_by_user_id').on('recovery_code').columns(['user_id']).execute()
  await db.schema
    .createTable('sign_in_count')
    .addColumn('key', 'text', (column) => column.primaryKey().notNull())
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('ends_at_ms', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('sign_in_count_by_ends_at_ms')
    .on('sign_in_count')
    .columns(['ends_at_ms'])
    .execute()
}

async function others(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('service_token')
    .addColumn('token_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('token_hash', 'text', (column) => column.notNull().unique())
    .addColumn('scope', 'text', (column) => column.notNull())
    .addColumn('permissions', 'text', (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull().references('user_account.user_id'))
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('revoked_at_ms', 'bigint')
    .addColumn('last_used_at_ms', 'bigint')
    .execute()
  await db.schema
    .createTable('external_identity')
    .addColumn('issuer', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text', (column) =>
      column.notNull().references('user_account.user_id').onDelete(CASCADE),
    )
    .addColumn('follows_claims', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('external_identity_key', ['issuer', 'subject'])
    .execute()
  await db.schema
    .createTable('sign_in_flow')
    .addColumn('flow_hash', 'text', (column) => column.primaryKey().notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('nonce', 'text', (column) => column.notNull())
    .addColumn('code_verifier', 'text', (column) => column.notNull())
    .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
    .execute()
}

export async function up(db: Kysely<unknown>): Promise<void> {
  await roles(db)
  await signIn(db)
  await others(db)
}
