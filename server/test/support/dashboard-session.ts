/** A signed-in person over HTTP, as the dashboard is one: cookie, CSRF header, one-time password replaced. */
export interface DashboardSession {
  cookie: string
  ask(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }>
}

export async function signIn(url: string, username: string, password: string): Promise<DashboardSession> {
  let cookie = ''
  const ask: DashboardSession['ask'] = async (method, path, body) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        cookie,
        'x-patrolhub': '1',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const set = response.headers.getSetCookie()[0]
    if (set) cookie = set.split(';')[0]!
    const text = await response.text()
    return { status: response.status, json: text === '' ? undefined : JSON.parse(text) }
  }
  const signedIn = await ask('POST', '/api/session', { username, password })
  if (signedIn.status !== 200) throw new Error(`sign-in failed: ${JSON.stringify(signedIn)}`)
  if ((signedIn.json as { mustChangePassword: boolean }).mustChangePassword) {
    const next = `${password}-replaced`
    const changed = await ask('POST', '/api/session/password', { current: password, next })
    if (changed.status >= 300) throw new Error(`the password was not changed: ${JSON.stringify(changed)}`)
  }
  return {
    get cookie() {
      return cookie
    },
    ask,
  }
}
