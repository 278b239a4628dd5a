/** /api/session: signing in and out, who one is, the password; one's own sessions and second factor. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  ChangePassword,
  OpenSession,
  PasswordAgain,
  RecoveryCodes,
  SecondFactorCode,
  SecondFactorOffer,
  Session,
  SignIn,
  SignInWays,
} from '@patrolhub/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { HubError } from '../errors.ts'
import type { SignedIn } from './access.ts'
import type { Oidc } from './oidc.ts'
import { isSameOrigin } from './origin.ts'
import type { SecondFactors } from './second-factor.ts'
import { flowCookie, flowFromCookies, noSessionCookie, sessionCookie } from './session-cookie.ts'
import type { Sessions } from './sessions.ts'
import type { SignInOutcome, SigningIn } from './signing-in.ts'

export interface SessionRoutesDeps {
  signingIn: SigningIn
  sessions: Sessions
  secondFactors: SecondFactors
  oidc: Oidc
  authenticate(cookieHeader: string | undefined): Promise<SignedIn | undefined>
  now: () => number
  /** See `isSameOrigin`. */
  trustsProxy: boolean
}

export function sessionRoutes(deps: SessionRoutesDeps): FastifyPluginAsyncTypebox {
  const { signingIn, sessions, secondFactors, oidc, now } = deps

  /** Sets the cookie and answers the session; throws HUB_TOO_MANY_REQUESTS with `Retry-After`. */
  async function begin(request: FastifyRequest, reply: FastifyReply, outcome: SignInOutcome) {
    if (!outcome.ok) return tooMany(reply, outcome.waitSeconds)
    const signedIn = await sessions.find(outcome.token)
    if (!signedIn) throw new HubError('HUB_NOT_SIGNED_IN', 'the session has ended already')
    const lifeSeconds = (outcome.expiresAtMs - now()) / 1000
    reply.header('set-cookie', sessionCookie(outcome.token, lifeSeconds, request.protocol === 'https'))
    return view(signedIn)
  }

  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.post(
      '/api/session',
      {
        config: { access: 'public' },
        schema: { summary: 'Sign in', tags: ['access'], body: SignIn, response: { 200: Session } },
      },
      async (request, reply) => {
        // Else another page signs somebody in as somebody it chose, and sees what they do.
        if (!isSameOrigin(request.headers, deps.trustsProxy)) {
          throw new HubError('HUB_CSRF', 'a sign-in from a page of another origin')
        }
        const { username, password, code } = request.body
        const credentials = { username: username.trim().toLowerCase(), password, code }
        const outcome = await signingIn.signIn(credentials, fromOf(request))
        return begin(request, reply, outcome)
      },
    )

    app.get(
      '/api/session',
      {
        config: { access: 'signed-in', beforePasswordChange: true, beforeSecondFactor: true },
        schema: { summary: 'Who one is and what one may do', tags: ['access'], response: { 200: Session } },
      },
      async (request) => {
        const signedIn = await deps.authenticate(request.headers.cookie)
        if (!signedIn) throw new HubError('HUB_NOT_SIGNED_IN', 'sign in first')
        return view(signedIn)
      },
    )

    app.delete(
      '/api/session',
      {
        config: { access: 'signed-in', beforePasswordChange: true, beforeSecondFactor: true },
        schema: { summary: 'Sign out', tags: ['access'], response: { 204: Type.Null() } },
      },
      async (request, reply) => {
        await signingIn.signOut(request.principal)
        reply.header('set-cookie', noSessionCookie(request.protocol === 'https'))
        return reply.code(204).send(null)
      },
    )

    app.post(
      '/api/session/password',
      {
        config: { access: 'signed-in', beforePasswordChange: true, beforeSecondFactor: true },
        schema: {
          summary: 'Replace the password; every other session ends',
          tags: ['access'],
          body: ChangePassword,
          response: { 200: Session },
        },
      },
      async (request, reply) => {
        const outcome = await signingIn.changePassword(request.principal, request.body, fromOf(request))
        return begin(request, reply, outcome)
      },
    )

    app.get(
      '/api/session/ways',
      {
        config: { access: 'public' },
        schema: {
          summary: 'How one may sign in here',
          tags: ['access'],
          response: { 200: SignInWays },
        },
      },
      async () => (oidc.name === undefined ? {} : { oidcName: oidc.name }),
    )

    app.get(
      '/api/session/oidc',
      {
        config: { access: 'public' },
        schema: {
          summary: "Sends the browser to the centre's sign-in",
          tags: ['access'],
        },
      },
      async (request, reply) => {
        try {
          const { url, secret, lifeSeconds } = await oidc.begin()
          reply.header('set-cookie', flowCookie(secret, lifeSeconds, request.protocol === 'https'))
          return reply.redirect(url, 303)
        } catch (error) {
          return backToSignIn(reply, error)
        }
      },
    )

    app.get(
      '/api/session/oidc/callback',
      {
        config: { access: 'public' },
        schema: {
          summary: "The browser comes back from the centre's sign-in",
          tags: ['access'],
        },
      },
      async (request, reply) => {
        const isSecure = request.protocol === 'https'
        const endOfFlow = flowCookie('', 0, isSecure)
        try {
          const search = request.url.slice(request.url.indexOf('?') + 1)
          const flow = flowFromCookies(request.headers.cookie)
          const opened = await oidc.finish(flow, search, fromOf(request))
          const lifeSeconds = (opened.expiresAtMs - now()) / 1000
          reply.header('set-cookie', [endOfFlow, sessionCookie(opened.token, lifeSeconds, isSecure)])
          return reply.redirect('/', 303)
        } catch (error) {
          reply.header('set-cookie', endOfFlow)
          return backToSignIn(reply, error)
        }
      },
    )

    app.get(
      '/api/session/list',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: "One's own sessions",
          tags: ['access'],
          response: { 200: Type.Array(OpenSession) },
        },
      },
      (request) => sessions.list(request.principal.userId, request.principal.sessionHash),
    )

    app.delete(
      '/api/session/list',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: "Ends one's own sessions but this one",
          tags: ['access'],
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await signingIn.endOwn(request.principal)
        return reply.code(204).send(null)
      },
    )

    app.delete(
      '/api/session/list/:sessionId',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: "Ends one of one's own sessions",
          tags: ['access'],
          params: SessionParams,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await signingIn.endOwn(request.principal, request.params.sessionId)
        return reply.code(204).send(null)
      },
    )

    app.post(
      '/api/session/second-factor',
      {
        config: { access: 'signed-in', beforeSecondFactor: true },
        schema: {
          summary: 'Begin to set up a second factor: the secret for an authenticator',
          tags: ['access'],
          response: { 200: SecondFactorOffer },
        },
      },
      (request) => secondFactors.offer(request.principal),
    )

    app.put(
      '/api/session/second-factor',
      {
        config: { access: 'signed-in', beforeSecondFactor: true },
        schema: {
          summary: 'Set it up with the first code; answers recovery codes, once',
          tags: ['access'],
          body: SecondFactorCode,
          response: { 200: RecoveryCodes },
        },
      },
      (request) => secondFactors.confirm(request.principal, request.body.code),
    )

    app.post(
      '/api/session/second-factor/recovery-codes',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: 'New recovery codes; the old ones end',
          tags: ['access'],
          response: { 200: RecoveryCodes },
        },
      },
      (request) => secondFactors.renewRecoveryCodes(request.principal),
    )

    app.post(
      '/api/session/second-factor/removal',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: "Remove one's second factor; asks for the password",
          tags: ['access'],
          body: PasswordAgain,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        const { password } = request.body
        const waitSeconds = await signingIn.removeSecondFactor(request.principal, password, fromOf(request))
        if (waitSeconds > 0) return tooMany(reply, waitSeconds)
        return reply.code(204).send(null)
      },
    )
  }
}

const SessionParams = Type.Object({ sessionId: Type.String({ pattern: '^[0-9a-f]{64}$' }) })

function tooMany(reply: FastifyReply, waitSeconds: number): never {
  reply.header('retry-after', waitSeconds)
  throw new HubError('HUB_TOO_MANY_REQUESTS', `too many attempts; wait ${waitSeconds} s`)
}

/** A browser that came here by a link: the page says what was wrong. Anything but an error of ours is a fault. */
function backToSignIn(reply: FastifyReply, error: unknown) {
  if (!(error instanceof HubError)) throw error
  return reply.redirect(`/sign-in?error=${error.code}`, 303)
}

function fromOf(request: FastifyRequest) {
  return { address: request.ip, userAgent: request.headers['user-agent'] ?? '' }
}

function view({ principal, expiresAtMs }: SignedIn): Session {
  const { userId, username, displayName, role, roleName, scope, teamIds, isOnDuty } = principal
  const { mustChangePassword, hasSecondFactor, mustEnrolSecondFactor, permissions } = principal
  return {
    userId,
    username,
    displayName,
    role,
    roleName,
    scope,
    teamIds: [...teamIds],
    isOnDuty,
    hasSecondFactor,
    mustEnrolSecondFactor,
    mustChangePassword,
    expiresAtMs,
    permissions: [...permissions],
  }
}
