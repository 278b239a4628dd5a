/** A real OpenID Connect provider in this process, and a browser small enough to sign in at it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'

export interface ProviderPerson {
  preferred_username: string
  name: string
  groups: string[]
  patrolhub_scope?: string
}

interface SessionModel {
  loginAccount(details: Record<string, unknown>): void
}

/** `people` by their name at the provider's sign-in, which takes any password. */
export async function startProvider(people: Map<string, ProviderPerson>, redirectUri: () => string) {
  let provider: Provider | undefined
  const server = createServer((request, response) => provider!.callback()(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const amr = { value: ['pwd'] }
  const configure = () => {
    provider = new Provider(issuer, {
      clients: [
        {
          client_id: 'hub',
          client_secret: 'a secret of the hub that is long enough',
          redirect_uris: [redirectUri()],
          response_types: ['code'],
          grant_types: ['authorization_code'],
        },
      ],
      pkce: { required: () => true },
      // The claims are asked for as part of the profile and come in the ID token.
      conformIdTokenClaims: false,
      claims: {
        openid: ['sub', 'amr'],
        profile: ['preferred_username', 'name', 'groups', 'patrolhub_scope'],
      },
      cookies: { keys: ['a key for the cookies of the provider'] },
      findAccount: (_context, id) => ({
        accountId: id,
        claims: async () => ({ sub: id, ...people.get(id) }),
      }),
    })
    // The provider's own sign-in page asks for a password only: what it did besides is said here.
    const session = (provider as unknown as { Session: { prototype: SessionModel } }).Session.prototype
    const { loginAccount } = session
    session.loginAccount = function (details) {
      loginAccount.call(this, { ...details, amr: amr.value })
    }
    provider.on('server_error', (_context, error) => {
      throw error
    })
  }
  return {
    issuer,
    amr,
    configure,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Keeps cookies by host and path prefix, as far as this needs it, and follows one redirect at a time. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>()

  async get(
    url: string,
    form?: Record<string, string>,
  ): Promise<{ status: number; location: string; text: string }> {
    const { host } = new URL(url)
    const jar = this.#cookies.get(host) ?? new Map<string, string>()
    this.#cookies.set(host, jar)
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
    })
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';')
      const equals = pair.indexOf('=')
      const isOver = attributes.some((one) => /max-age=0$|expires=thu, 01 jan 1970/i.test(one.trim()))
      if (isOver) jar.delete(pair.slice(0, equals))
      else jar.set(pair.slice(0, equals), pair.slice(equals + 1))
    }
    const location = response.headers.get('location')
    return {
      status: response.status,
      location: location === null ? '' : new URL(location, url).href,
      text: await response.text(),
    }
  }

  cookie(host: string): string {
    return [...(this.#cookies.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** From the provider's first page to the address that it sends the browser back to. */
  async signIn(start: string, login: string, isBack: (url: string) => boolean): Promise<string> {
    let url = start
    for (let steps = 0; steps < 20; steps++) {
      if (isBack(url)) return url
      const page = await this.get(url)
      if (page.location !== '') {
        url = page.location
        continue
      }
      const action = /<form[^>]*action="([^"]+)"/.exec(page.text)?.[1]
      if (!action) throw new Error(`no form at ${url}: ${page.status} ${page.text.slice(0, 300)}`)
      const isLogin = page.text.includes('name="login"')
      const form: Record<string, string> = isLogin
        ? { prompt: 'login', login, password: 'any' }
        : { prompt: 'consent' }
      const answer = await this.get(new URL(action, url).href, form)
      if (answer.location === '') throw new Error(`${answer.status} ${answer.text.slice(0, 300)}`)
      url = answer.location
    }
    throw new Error('the sign-in does not end')
  }
}
