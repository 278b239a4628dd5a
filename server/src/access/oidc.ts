/**
 * Signing in at the centre's OpenID Connect provider: authorization code with PKCE, state and nonce (OpenID Connect
 * Core 1.0, RFC 7636). The browser that comes back has to be the one that went: a cookie holds a secret whose hash
 * names the flow in the store, so that any hub may take the answer. Who somebody is here follows from the provider's
 * subject; what they may do from its claims or from an administrator.
 */
import { NewUser, parser } from '@patrolhub/protocol'
import * as client from 'openid-client'
import type { Logger } from 'pino'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { AccessConfig } from './access.ts'
import type { Accounts } from './accounts.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Roles } from './roles.ts'
import { mayReach } from './scope.ts'
import type { SecondFactors } from './second-factor.ts'
import type { Sessions } from './sessions.ts'
import type { From, OpenedSession, SigningIn } from './signing-in.ts'
import { hashToken, newToken } from './token.ts'

/** Somebody has this long to sign in at the provider. */
const FLOW_MS = 10 * 60_000
const PROVIDER_TIMEOUT_SECONDS = 10
/** Values of `amr` (RFC 8176) that mean more than a password. */
const SECOND_FACTORS = ['mfa', 'otp', 'hwk', 'sc']

export interface OidcDeps {
  config: AccessConfig
  relational: Relational
  audit: AuditTrail
  accounts: Accounts
  roles: Roles
  secondFactors: SecondFactors
  sessions: Sessions
  signingIn: SigningIn
  log: Logger
  now: () => number
  /** Tells that what these users may do has changed. */
  usersChanged(userIds: string[]): void
}

/** The claims that decide. */
interface Person {
  subject: string
  username: string
  displayName: string
  /** By the setting `oidcRoles`; `undefined` if none fits. */
  role: string | undefined
  scope: string | undefined
  hasSecondFactor: boolean
}

export class Oidc {
  readonly #deps: OidcDeps
  #provider: Promise<client.Configuration> | undefined

  constructor(deps: OidcDeps) {
    this.#deps = deps
  }

  /** What the sign-in page calls the provider; `undefined` without one. */
  get name(): string | undefined {
    const { oidcIssuer, oidcName } = this.#deps.config
    return oidcIssuer === undefined ? undefined : oidcName
  }

  /** Where the browser goes, and the secret for its cookie. Throws HUB_NOT_FOUND without a provider, HUB_OIDC. */
  async begin(): Promise<{ url: string; secret: string; lifeSeconds: number }> {
    const { config, relational, now } = this.#deps
    const provider = await this.#discover()
    const secret = newToken()
    const flow = {
      flow_hash: hashToken(secret),
      state: client.randomState(),
      nonce: client.randomNonce(),
      code_verifier: client.randomPKCECodeVerifier(),
      expires_at_ms: now() + FLOW_MS,
    }
    const { write } = relational
    await write.deleteFrom('sign_in_flow').where('expires_at_ms', '<=', now()).execute()
    await write.insertInto('sign_in_flow').values(flow).execute()
    const url = client.buildAuthorizationUrl(provider, {
      redirect_uri: config.oidcRedirectUrl!,
      scope: 'openid profile',
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(flow.code_verifier),
      code_challenge_method: 'S256',
    })
    return { url: url.href, secret, lifeSeconds: FLOW_MS / 1000 }
  }

  /**
   * The browser comes back with `search` (`code=…&state=…`). Throws HUB_OIDC for an answer that does not fit or was
   * used, HUB_OIDC_REFUSED for somebody who has no place here.
   */
  async finish(secret: string | undefined, search: string, from: From): Promise<OpenedSession> {
    const { config, log, relational, audit } = this.#deps
    const provider = await this.#discover()
    const flow = await this.#takeFlow(secret)
    let claims: client.IDToken
    try {
      const answer = new URL(config.oidcRedirectUrl!)
      answer.search = search
      const tokens = await client.authorizationCodeGrant(provider, answer, {
        pkceCodeVerifier: flow.code_verifier,
        expectedState: flow.state,
        expectedNonce: flow.nonce,
        idTokenExpected: true,
      })
      claims = tokens.claims()!
    } catch (err) {
      log.warn({ err }, 'an answer of the OpenID provider does not fit')
      throw new HubError('HUB_OIDC', "the centre's sign-in gave an answer that does not fit", { cause: err })
    }
    const person = readPerson(claims, config)
    try {
      return await this.#open(claims.iss, person, from)
    } catch (error) {
      if (error instanceof HubError && error.code === 'HUB_OIDC_REFUSED') {
        log.info({ subject: person.subject, why: error.message }, 'a sign-in by OpenID Connect was refused')
        const detail = { username: person.username, address: from.address, why: error.message }
        await relational.write.transaction().execute((trx) =>
          audit.append(trx, {
            actor: undefined,
            action: 'session.refused',
            subject: 'user:unknown',
            detail,
          }),
        )
      }
      throw error
    }
  }

  /** Each flow is finished once. */
  async #takeFlow(secret: string | undefined) {
    const { relational, now } = this.#deps
    const flow =
      secret === undefined
        ? undefined
        : await relational.write
            .deleteFrom('sign_in_flow')
            .where('flow_hash', '=', hashToken(secret))
            .returningAll()
            .executeTakeFirst()
    if (!flow || flow.expires_at_ms <= now()) {
      throw new HubError(
        'HUB_OIDC',
        'this sign-in was not begun in this browser, or took too long: begin again',
      )
    }
    return flow
  }

  async #open(issuer: string, person: Person, from: From): Promise<OpenedSession> {
    const { relational, sessions, signingIn, roles, secondFactors, config, usersChanged } = this.#deps
    await roles.seed()
    const { session, userId } = await relational.write.transaction().execute(async (trx) => {
      const id = await this.#account(trx, issuer, person)
      const account = await trx
        .selectFrom('user_account')
        .innerJoin('role', 'role.role_id', 'user_account.role')
        .selectAll('user_account')
        .select('role.is_built_in')
        .where('user_id', '=', id)
        .executeTakeFirstOrThrow()
      if (account.is_disabled === 1) refuse('the account is disabled')
      const permissions = await roles.permissionsOf(trx, account.role)
      const needsFactor = secondFactors.isRequiredFor(account.role, account.is_built_in === 1, permissions)
      if (needsFactor && !person.hasSecondFactor && !config.oidcTrustSecondFactor) {
        refuse(`the role ${account.role} needs a second factor and the ID token does not speak of one (amr)`)
      }
      const how = { ...from, method: 'provider' as const }
      return { session: await signingIn.open(trx, account, how, { issuer }), userId: id }
    })
    sessions.tellEnded(session.replaced, 'replaced')
    usersChanged([userId])
    return { token: session.token, expiresAtMs: session.expiresAtMs }
  }

  /** The account of this person: known by subject, else prepared by an administrator, else made if the settings say so. */
  async #account(trx: DbOrTransaction, issuer: string, person: Person): Promise<string> {
    const { subject, username } = person
    const known = await trx
      .selectFrom('external_identity')
      .selectAll()
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .executeTakeFirst()
    if (known) {
      if (known.follows_claims === 1) await this.#follow(trx, known.user_id, person)
      return known.user_id
    }
    const identity = { issuer, subject }
    const prepared = await trx
      .selectFrom('user_account')
      .select(['user_id', 'must_change_password'])
      .where('username', '=', username)
      .executeTakeFirst()
    if (prepared) {
      // Whoever has a password here already is somebody: a name at the provider does not take their account.
      if (prepared.must_change_password === 0) refuse(`the user name ${username} belongs to another account`)
      await trx
        .insertInto('external_identity')
        .values({ ...identity, user_id: prepared.user_id, follows_claims: 0 })
        .execute()
      await trx
        .updateTable('user_account')
        .set({ password_hash: '', must_change_password: 0 })
        .where('user_id', '=', prepared.user_id)
        .execute()
      return prepared.user_id
    }
    if (!this.#deps.config.oidcCreateAccounts) {
      refuse(`there is no account ${username}, and accounts are not made by themselves (oidcCreateAccounts)`)
    }
    const { role, scope } = this.#placeOf(person)
    const wish = parser(NewUser)({ username, displayName: person.displayName, role, scope })
    if (!wish.ok) refuse(`the claims do not make an account: ${wish.problems.join('; ')}`)
    const password = { passwordHash: '', mustChange: false }
    const userId = await this.#deps.accounts.insert(trx, undefined, wish.value, password)
    await trx
      .insertInto('external_identity')
      .values({ ...identity, user_id: userId, follows_claims: 1 })
      .execute()
    return userId
  }

  async #follow(trx: DbOrTransaction, userId: string, person: Person): Promise<void> {
    const { role, scope } = this.#placeOf(person)
    const before = await trx
      .selectFrom('user_account')
      .select(['role', 'scope', 'username'])
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow()
    if (before.role === role && before.scope === scope) return
    await this.#deps.roles.requireGivable(trx, undefined, role)
    await trx.updateTable('user_account').set({ role, scope }).where('user_id', '=', userId).execute()
    const { username, role: roleBefore, scope: scopeBefore } = before
    const detail = { username, role, scope, roleBefore, scopeBefore, by: 'claims' }
    const subject = `user:${userId}`
    await this.#deps.audit.append(trx, { actor: undefined, action: 'user.changed', subject, detail })
  }

  #placeOf({ role, scope }: Person): { role: string; scope: string } {
    const { rootScope, oidcRoleClaim, oidcScopeClaim } = this.#deps.config
    if (role === undefined) refuse(`no value of the claim ${oidcRoleClaim} is a role here (oidcRoles)`)
    if (scope === undefined || !mayReach({ scope: rootScope }, scope)) {
      refuse(`the claim ${oidcScopeClaim} does not hold a division code inside ${rootScope}`)
    }
    return { role, scope }
  }

  /** Asked of the provider on first use; a failure is tried again by the next sign-in. */
  #discover(): Promise<client.Configuration> {
    const { config, log } = this.#deps
    const { oidcIssuer, oidcClientId, oidcClientSecret } = config
    if (oidcIssuer === undefined) throw new HubError('HUB_NOT_FOUND', 'there is no OpenID provider here')
    const issuer = new URL(oidcIssuer)
    this.#provider ??= client
      .discovery(issuer, oidcClientId!, oidcClientSecret!, undefined, {
        timeout: PROVIDER_TIMEOUT_SECONDS,
        // Settings let plain HTTP through on loopback only.
        ...(issuer.protocol === 'http:' ? { execute: [client.allowInsecureRequests] } : {}),
      })
      .catch((err) => {
        this.#provider = undefined
        log.error({ err, issuer: oidcIssuer }, 'the OpenID provider cannot be reached')
        throw new HubError('HUB_OIDC', "the centre's sign-in cannot be reached", { cause: err })
      })
    return this.#provider
  }
}

function readPerson(claims: client.IDToken, config: AccessConfig): Person {
  const text = (name: string) => (typeof claims[name] === 'string' ? (claims[name] as string) : undefined)
  const groups = [claims[config.oidcRoleClaim]].flat().map(String)
  const mapping = (config.oidcRoles ?? '')
    .split(',')
    .map((pair) => pair.split('=').map((part) => part.trim()))
  const username = (text('preferred_username') ?? '').toLowerCase()
  return {
    subject: claims.sub,
    username,
    displayName: (text('name') ?? username).slice(0, 80),
    role: mapping.find(([group]) => group !== undefined && groups.includes(group))?.[1],
    scope: text(config.oidcScopeClaim),
    hasSecondFactor: [claims.amr].flat().some((one) => SECOND_FACTORS.includes(String(one))),
  }
}

function refuse(why: string): never {
  throw new HubError('HUB_OIDC_REFUSED', why)
}
