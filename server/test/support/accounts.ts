/** Accounts with open sessions, written into the tables: a test pays for passwords only where it is about them. */
import { randomUUID } from 'node:crypto'
import { hashToken, newToken } from '../../src/access/token.ts'
import type { Relational } from '../../src/ports/relational.ts'

const SESSION_MS = 3_600_000

export interface NewAccount {
  role: string
  scope: string
  userId?: string
  username?: string
  displayName?: string
  mustChangePassword?: boolean
  isOnDuty?: boolean
  nowMs?: number
}

export async function addAccount(
  relational: Relational,
  { role, scope, mustChangePassword = false, isOnDuty, nowMs = Date.now(), ...given }: NewAccount,
): Promise<{ userId: string; username: string }> {
  const userId = given.userId ?? randomUUID()
  const username = given.username ?? `u${userId.slice(0, 8)}`
  await relational.write
    .insertInto('user_account')
    .values({
      user_id: userId,
      username,
      display_name: given.displayName ?? `Name of ${username}`,
      password_hash: '',
      must_change_password: mustChangePassword ? 1 : 0,
      role,
      scope,
      is_disabled: 0,
      ...(isOnDuty === undefined ? {} : { is_on_duty: isOnDuty ? 1 : 0 }),
      created_at_ms: nowMs,
    })
    .execute()
  return { userId, username }
}

/** What a browser that is signed in sends. */
export async function openSession(relational: Relational, userId: string, nowMs = Date.now()) {
  const token = newToken()
  const sessionHash = hashToken(token)
  await relational.write
    .insertInto('session')
    .values({
      token_hash: sessionHash,
      user_id: userId,
      created_at_ms: nowMs,
      expires_at_ms: nowMs + SESSION_MS,
      address: '127.0.0.1',
      user_agent: 'test',
    })
    .execute()
  return { token, sessionHash, cookie: `patrolhub_session=${token}` }
}

/** Asks a hub as the dashboard does, as whoever has this cookie. */
export async function askAs(cookie: string, url: string, method: string, body?: object) {
  const response = await fetch(url, {
    method,
    headers: {
      'x-patrolhub': '1',
      cookie,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json')
  return {
    status: response.status,
    headers: response.headers,
    text,
    // biome-ignore lint/suspicious/noExplicitAny: answers of many kinds, each looked at by its test
    json: isJson ? (JSON.parse(text) as any) : undefined,
  }
}
