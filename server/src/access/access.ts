/**
 * What the access feature offers to the others: who is asking (by cookie or by edge credential), the guard in front of
 * every route, and news of sessions that end.
 */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { CreatedUser, DecisionView, NewUser } from '@patrolhub/protocol'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { HubConfig } from '../config.ts'
import type { Relational } from '../ports/relational.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Question } from './explain.ts'
import type { Permission } from './permissions.ts'
import type { Principal } from './principal.ts'

/** What a route asks of its caller: a permission, any session, nothing, or the credential of an edge. */
export type RouteAccess = Permission | 'signed-in' | 'public' | 'edge'

export interface EdgeIdentity {
  edgeId: string
  region: string
}

export interface SignedIn {
  principal: Principal
  expiresAtMs: number
}

/** Why sessions ended: `renewed` means that the same person goes on with a new cookie. */
export type SessionEnd =
  | 'signed out'
  | 'revoked'
  | 'expired'
  | 'disabled'
  | 'password changed'
  | 'replaced'
  | 'renewed'

/** The settings that this feature goes by. */
export type AccessConfig = Pick<
  HubConfig,
  | 'dataDir'
  | 'rootScope'
  | 'sessionHours'
  | 'trustProxy'
  | 'requireSecondFactorFor'
  | 'secretsKey'
  | 'oidcIssuer'
  | 'oidcClientId'
  | 'oidcClientSecret'
  | 'oidcName'
  | 'oidcRedirectUrl'
  | 'oidcRoleClaim'
  | 'oidcRoles'
  | 'oidcScopeClaim'
  | 'oidcCreateAccounts'
  | 'oidcTrustSecondFactor'
>

export interface AccessDeps {
  config: AccessConfig
  relational: Relational
  audit: AuditTrail
  log: Logger
  /** Wall clock; tests give their own. */
  now?: () => number
}

export interface Access {
  /** Writes the built-in roles if they are new, and starts ending sessions whose time is over (looks once a second). */
  start(): Promise<void>
  close(): Promise<void>
  /** On a store without users: makes `admin` over ROOT_SCOPE and answers its one-time password, else `undefined`. */
  ensureAdministrator(): Promise<string | undefined>
  /**
   * Makes an account with a one-time password. `actor` undefined: a command line, which may give any scope.
   * Throws HUB_OUT_OF_SCOPE, HUB_CONFLICT if the name is taken, HUB_NOT_FOUND for a team.
   */
  createUser(actor: Principal | undefined, user: NewUser): Promise<CreatedUser>
  /** Why somebody may or may not do something; for the command line. Throws HUB_NOT_FOUND. */
  explain(question: Question): Promise<DecisionView>
  /** The session behind a `Cookie` header, or `undefined`. Asks the store each time, so an end counts at once. */
  authenticate(cookieHeader: string | undefined): Promise<SignedIn | undefined>
  /** The edge behind `Authorization: Basic base64(edgeId:token)`, or `undefined`. */
  authenticateEdge(authorization: string | undefined): Promise<EdgeIdentity | undefined>
  /** Called right after sessions have ended (hashes as in `Principal.sessionHash`). Answers how to stop listening. */
  onSessionsEnded(listener: (sessionHashes: string[], reason: SessionEnd) => void): () => void
  /** Called when what these users may do has changed though their sessions go on (teams, role, scope, duty, hours). */
  onUsersChanged(listener: (userIds: string[]) => void): () => void
  /** Tells the listeners of `onUsersChanged`. */
  usersChanged(userIds: string[]): void
  /**
   * Call on the root instance before any route is registered: decorates `request.principal` and `request.edge`, checks
   * `config.access` of every route, and makes the start fail if a route declares none.
   */
  guard(app: FastifyInstance): void
  /** Every route that was registered after `guard`, with what it asks; for the documents. */
  routeTable(): RouteAccessRow[]
  routes: FastifyPluginAsyncTypebox
}

export interface RouteAccessRow {
  method: string
  url: string
  access: RouteAccess
  orAccess?: Permission
}

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess
    /** Also for whoever has this permission instead. */
    orAccess?: Permission
    /** Also for somebody whose one-time password has not been replaced yet. */
    beforePasswordChange?: boolean
    /** Also for somebody whose role needs a second factor that is not set up yet. */
    beforeSecondFactor?: boolean
  }
  interface FastifyRequest {
    /** Who is asking. Only on routes whose access is a permission or `signed-in`; reading it elsewhere throws. */
    readonly principal: Principal
    /** The edge that is asking. Only on routes whose access is `edge`; reading it elsewhere throws. */
    readonly edge: EdgeIdentity
  }
}
