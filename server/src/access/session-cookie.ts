/** The cookie that carries a session's token. */
import { fastifyCookie } from '@fastify/cookie'

const NAME = 'patrolhub_session'

/** The token in a `Cookie` header, if it has the form of one. */
export function tokenFromCookies(header: string | undefined): string | undefined {
  if (!header) return undefined
  const token = fastifyCookie.parse(header)[NAME]
  return token !== undefined && /^[\w-]{43}$/.test(token) ? token : undefined
}

/** `Set-Cookie` for a new session. `isSecure`: the caller came by HTTPS. */
export function sessionCookie(token: string, lifeSeconds: number, isSecure: boolean): string {
  return fastifyCookie.serialize(NAME, token, { ...attributes(isSecure), maxAge: Math.floor(lifeSeconds) })
}

/** `Set-Cookie` that makes a browser forget the session. */
export function noSessionCookie(isSecure: boolean): string {
  return fastifyCookie.serialize(NAME, '', { ...attributes(isSecure), maxAge: 0 })
}

function attributes(isSecure: boolean) {
  return { path: '/', httpOnly: true, sameSite: 'strict', secure: isSecure } as const
}
