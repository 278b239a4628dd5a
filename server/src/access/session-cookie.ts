/** The cookie that carries a session's token (RFC 6265); its value needs no escaping. */
const NAME = 'patrolhub_session'

/** Of a sign-in at an OpenID provider: has to come along when the provider sends the browser back, so it is Lax. */
const FLOW_NAME = 'patrolhub_flow'
const FLOW_PATH = '/api/session/oidc'

/** The token in a `Cookie` header, if it has the form of one. The first of that name counts, as browsers order them. */
export function tokenFromCookies(header: string | undefined): string | undefined {
  return cookieValue(NAME, header)
}

/** The secret of a sign-in that has begun. */
export function flowFromCookies(header: string | undefined): string | undefined {
  return cookieValue(FLOW_NAME, header)
}

/** `Set-Cookie` for a sign-in that begins; with a life of 0 for one that has ended. */
export function flowCookie(secret: string, lifeSeconds: number, isSecure: boolean): string {
  const attributes = [`${FLOW_NAME}=${secret}`, `Max-Age=${lifeSeconds}`, `Path=${FLOW_PATH}`, 'HttpOnly']
  return [...attributes, 'SameSite=Lax', ...(isSecure ? ['Secure'] : [])].join('; ')
}

function cookieValue(name: string, header: string | undefined): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
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
