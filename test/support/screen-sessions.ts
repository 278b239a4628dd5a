/** Operators with open sessions, written into a hub's database before it starts: signing in by password costs too much. */
import { openRelational } from '../../server/src/adapters/relational/open.ts'
import { loadConfig } from '../../server/src/config.ts'
import { addAccount, openSession } from '../../server/test/support/accounts.ts'
import { silent, testEnv } from '../../server/test/support/hub.ts'

/** Answers one cookie a user. */
export async function openSessions(dataDir: string, count: number, scope = '410502'): Promise<string[]> {
  const relational = await openRelational(loadConfig({ env: testEnv(dataDir) }), silent)
  try {
    const cookies: string[] = []
    for (let index = 0; index < count; index++) {
      const { userId } = await addAccount(relational, { role: 'operator', scope })
      cookies.push((await openSession(relational, userId)).cookie)
    }
    return cookies
  } finally {
    await relational.close()
  }
}
