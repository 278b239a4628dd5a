/** Composes the access feature: passwords, sessions, accounts, edge credentials, the guard and the routes. */
import type { Relational } from '../ports/relational.ts'
import type { Access, AccessDeps, EdgeIdentity } from './access.ts'
import { Accounts } from './accounts.ts'
import { explain } from './explain.ts'
import { Guard } from './guard.ts'
import { Oidc } from './oidc.ts'
import { Passwords } from './passwords.ts'
import { roleRoutes } from './role-routes.ts'
import { Roles } from './roles.ts'
import { Sealing, secretsKeyOf } from './sealing.ts'
import { SecondFactors } from './second-factor.ts'
import { ServiceTokens } from './service-tokens.ts'
import { tokenFromCookies } from './session-cookie.ts'
import { sessionRoutes } from './session-routes.ts'
import { Sessions } from './sessions.ts'
import { SignInLimits } from './sign-in-limits.ts'
import { SigningIn } from './signing-in.ts'
import { tokenMatches } from './token.ts'
import { userRoutes } from './user-routes.ts'

const HOUR_MS = 3_600_000

export function accessFeature(deps: AccessDeps): Access {
  const { config, relational, audit, now = Date.now } = deps
  const log = deps.log.child({ component: 'access' })
  const { rootScope } = config
  const { read, write } = relational
  const changeListeners = new Set<(userIds: string[]) => void>()
  const usersChanged = (userIds: string[]) => {
    for (const listener of changeListeners) listener(userIds)
  }
  const passwords = new Passwords()
  const sealing = new Sealing(config.secretsKey ?? secretsKeyOf(config.dataDir))
  const roles = new Roles({ relational, audit, rootScope })
  const requiredFor = config.requireSecondFactorFor
  const secondFactors = new SecondFactors({ relational, audit, sealing, requiredFor, now })
  const lifeMs = config.sessionHours * HOUR_MS
  const sessions = new Sessions({ read, write, log, lifeMs, roles, secondFactors, now })
  const limits = new SignInLimits(relational)
  const stores = { relational, audit, passwords, sessions, roles, secondFactors, limits }
  const common = { ...stores, log, now, usersChanged }
  const signingIn = new SigningIn({ ...common, sealing })
  const accounts = new Accounts({ ...common, rootScope })
  const tokens = new ServiceTokens({ relational, audit, now })
  const oidc = new Oidc({ ...common, config, accounts, signingIn })

  const authenticate: Access['authenticate'] = async (cookieHeader) => {
    const token = tokenFromCookies(cookieHeader)
    return token === undefined ? undefined : sessions.find(token)
  }
  const authenticateEdge: Access['authenticateEdge'] = (authorization) => findEdge(relational, authorization)
  const authenticateService = (authorization: string | undefined) => tokens.find(authorization)
  const guard = new Guard({ authenticate, authenticateEdge, authenticateService })

  return {
    async start() {
      await roles.seed()
      sessions.start()
    },
    close: () => sessions.close(),
    ensureAdministrator: () => accounts.ensureAdministrator(),
    createUser: (actor, user) => accounts.create(actor, user),
    explain: (question) => explain(common, undefined, question),
    authenticate,
    authenticateEdge,
    onSessionsEnded: (listener) => sessions.onEnded(listener),
    onUsersChanged(listener) {
      changeListeners.add(listener)
      return () => changeListeners.delete(listener)
    },
    usersChanged,
    guard: (app) => guard.install(app),
    routeTable: () => guard.table(),
    routes: async (app) => {
      await app.register(
        sessionRoutes({
          signingIn,
          sessions,
          secondFactors,
          oidc,
          authenticate,
          now,
          trustsProxy: config.trustProxy,
        }),
      )
      await app.register(userRoutes(accounts))
      await app.register(roleRoutes({ ...common, tokens }))
    },
  }
}

/** Nobody has this token; compared with when there is no such edge, so that time tells nothing. */
const NO_HASH = '0'.repeat(64)

async function findEdge(
  relational: Relational,
  authorization: string | undefined,
): Promise<EdgeIdentity | undefined> {
  const match = /^Basic ([A-Za-z0-9+/]+={0,2})$/i.exec(authorization ?? '')
  if (!match) return undefined
  const credential = Buffer.from(match[1]!, 'base64').toString('utf8')
  const colon = credential.indexOf(':')
  if (colon < 1) return undefined
  const edge = await relational.read
    .selectFrom('edge')
    .select(['edge_id', 'region', 'token_hash'])
    .where('edge_id', '=', credential.slice(0, colon))
    .executeTakeFirst()
  const fits = tokenMatches(credential.slice(colon + 1), edge?.token_hash ?? NO_HASH)
  return edge && fits ? { edgeId: edge.edge_id, region: edge.region } : undefined
}
