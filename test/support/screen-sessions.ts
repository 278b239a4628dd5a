/** Operators with open sessions, written into a hub's database before it starts: signing in by password costs too much. */
import { randomUUID } from 'node:crypto'
import { hashToken, newToken } from '../../server/src/access/token.ts'
import { openRelational } from '../../server/src/adapters/relational/open.ts'
import { loadConfig } from '../../server/src/config.ts'
import { silent, testEnv } from '../../server/test/support/hub.ts'

/** Answers one cookie a user. */
export async function openSessions(dataDir: string, count: number, scope = '410502'): Promise<string[]> {
  const relational = await openRelational(loadConfig({ env: testEnv(dataDir) }), silent)
  try {
    const cookies: string[] = []
    for (let index = 0; index < count; index++) {
      const userId = randomUUID()
      const token = newToken()
      const user = {
        user_id: userId,
        username: `screen-${userId}`,
        display_name: `Screen ${index}`,
        password_hash: '',
        must_change_password: 0,
        role: 'operator',
        scope,
        is_disabled: 0,
        created_at_ms: Date.now(),
      } as const
      await relational.write.insertInto('user_account').values(user).execute()
      const session = {
        token_hash: hashToken(token),
        user_id: userId,
        created_at_ms: Date.now(),
        expires_at_ms: Date.now() + 3_600_000,
        address: '127.0.0.1',
        user_agent: 'bench',
      }
      await relational.write.insertInto('session').values(session).execute()
      cookies.push(`patrolhub_session=${token}`)
    }
    return cookies
  } finally {
    await relational.close()
  }
}
