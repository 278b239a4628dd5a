/** /api/session: signing in, asking who one is, signing out, changing the password. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ChangePassword, Session, SignIn } from '@patrolhub/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { HubError } from '../errors.ts'
import type { SignedIn } from './access.ts'
import { ROLE_PERMISSIONS } from './permissions.ts'
import { noSessionCookie, sessionCookie } from './session-cookie.ts'
import type { Sessions } from './sessions.ts'
import type { SignInOutcome, SigningIn } from './signing-in.ts'

export interface SessionRoutesDeps {
  signingIn: SigningIn
  sessions: Sessions
  authenticate(cookieHeader: string | undefined): Promise<SignedIn | undefined>
  now: () => number
}

export function sessionRoutes(deps: SessionRoutesDeps): FastifyPluginAsyncTypebox {
  const { signingIn, sessions, now } = deps

  /** Sets the cookie and answers the session; throws HUB_TOO_MANY_REQUESTS with `Retry-After`. */
  async function begin(request: FastifyRequest, reply: FastifyReply, outcome: SignInOutcome) {
    if (!outcome.ok) {
      reply.header('retry-after', outcome.waitSeconds)
      throw new HubError('HUB_TOO_MANY_REQUESTS', `too many attempts; wait ${outcome.waitSeconds} s`)
    }
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
        const { username, password } = request.body
        const outcome = await signingIn.signIn(username.trim().toLowerCase(), password, fromOf(request))
        return begin(request, reply, outcome)
      },
    )

    app.get(
      '/api/session',
      {
        config: { access: 'signed-in', beforePasswordChange: true },
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
        config: { access: 'signed-in', beforePasswordChange: true },
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
        config: { access: 'signed-in', beforePasswordChange: true },
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
  }
}

function fromOf(request: FastifyRequest) {
  return { address: request.ip, userAgent: request.headers['user-agent'] ?? '' }
}

function view({ principal, expiresAtMs }: SignedIn): Session {
  const { userId, username, displayName, role, scope, teamIds, mustChangePassword } = principal
  return {
    userId,
    username,
    displayName,
    role,
    scope,
    teamIds: [...teamIds],
    mustChangePassword,
    expiresAtMs,
    permissions: [...ROLE_PERMISSIONS[role]],
  }
}
