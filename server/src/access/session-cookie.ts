/** The cookie that carries a session's token (RFC 6265); its value needs no escaping. */
const NAME = 'patrolhub_session'

/** The token in a `Cookie` header, if it has the form of one. The first of that name counts, as browsers order them. */
export function tokenFromCookies(header: string | undefined): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== NAME) continue
    const token = pair.slice(equals + 1).trim()
    return /^[\w-]{43}$/.test(token) ? token : undefined
  }
  return undefined
}

/** `Set-Cookie` for a new session. `isSecure`: the caller came by HTTPS. */
export function sessionCookie(token: string, lifeSeconds: number, isSecure: boolean): string {
  const attributes = [`${NAME}=${token}`, `Max-Age=${Math.floor(lifeSeconds)}`, 'Path=/', 'HttpOnly']
  return [...attributes, 'SameSite=Strict', ...(isSecure ? ['Secure'] : [])].join('; ')
}

/** `Set-Cookie` that makes a browser forget the session. */
export function noSessionCookie(isSecure: boolean): string {
  return sessionCookie('', 0, isSecure)
}
