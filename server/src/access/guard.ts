/**
 * The guard in front of every route: who is asking, and may they. Deny by default: a route that does not declare
 * `config.access` makes the start fail, and if one got through it would be refused.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { HubError } from '../errors.ts'
import type { EdgeIdentity, RouteAccess, RouteAccessRow, SignedIn } from './access.ts'
import { decide, may, whyNot } from './decide.ts'
import type { Permission } from './permissions.ts'
import type { Principal } from './principal.ts'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

export interface GuardDeps {
  authenticate(cookieHeader: string | undefined): Promise<SignedIn | undefined>
  authenticateEdge(authorization: string | undefined): Promise<EdgeIdentity | undefined>
  /** The service behind a bearer token. */
  authenticateService(authorization: string | undefined): Promise<Principal | undefined>
}

interface DeclaredRoute {
  method: string
  url: string
  /** Kept, not copied: a plugin may still complete it in its own onRoute hook. */
  options: { config?: { access?: RouteAccess; orAccess?: Permission } | undefined }
}

export class Guard {
  readonly #deps: GuardDeps
  readonly #routes: DeclaredRoute[] = []
  readonly #principals = new WeakMap<FastifyRequest, Principal>()
  readonly #edges = new WeakMap<FastifyRequest, EdgeIdentity>()

  constructor(deps: GuardDeps) {
    this.#deps = deps
  }

  /** See `Access.guard`. */
  install(app: FastifyInstance): void {
    const principals = this.#principals
    const edges = this.#edges
    app.decorateRequest('principal', {
      getter(this: FastifyRequest) {
        return present(principals.get(this), this, 'principal')
      },
    })
    app.decorateRequest('edge', {
      getter(this: FastifyRequest) {
        return present(edges.get(this), this, 'edge')
      },
    })
    app.addHook('onRoute', (options) => {
      for (const method of [options.method].flat()) {
        this.#routes.push({ method, url: options.url, options: options as DeclaredRoute['options'] })
      }
    })
    app.addHook('onReady', async () => {
      const open = this.#routes.filter((route) => route.options.config?.access === undefined)
      if (open.length > 0) {
        const names = open.map(({ method, url }) => `${method} ${url}`).join(', ')
        throw new Error(`these routes do not declare who may use them (config.access): ${names}`)
      }
    })
    app.addHook('onRequest', (request, reply) => this.#check(request, reply))
  }

  /** See `Access.routeTable`. */
  table(): RouteAccessRow[] {
    return this.#routes
      .flatMap(({ method, url, options }) => {
        const { access, orAccess } = options.config ?? {}
        if (access === undefined || method === 'HEAD') return []
        return [{ method, url, access, ...(orAccess ? { orAccess } : {}) }]
      })
      .sort((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : a.method < b.method ? -1 : 1))
  }

  async #check(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    // Nothing is behind an address that has no route.
    if (request.is404) return
    const { access } = request.routeOptions.config
    if (access === 'public') return
    if (access === undefined) throw new HubError('HUB_FORBIDDEN', 'nobody may use this route')
    if (access === 'edge') {
      const edge = await this.#deps.authenticateEdge(request.headers.authorization)
      if (!edge) {
        reply.header('www-authenticate', 'Basic realm="patrolhub edge"')
        throw new HubError('HUB_BAD_CREDENTIALS', 'unknown edge, or its token is wrong')
      }
      this.#edges.set(request, edge)
      return
    }
    const principal = isBearer(request)
      ? await this.#service(request, access)
      : await this.#person(request, access)
    this.#principals.set(request, principal)
  }

  async #service(request: FastifyRequest, access: RouteAccess): Promise<Principal> {
    // No cookie is looked at, so a foreign page gains nothing and no header is asked for.
    const principal = await this.#deps.authenticateService(request.headers.authorization)
    if (!principal) throw new HubError('HUB_NOT_SIGNED_IN', 'the token is unknown, revoked or over')
    if (access === 'signed-in')
      throw new HubError('HUB_FORBIDDEN', 'this is for people, not for service tokens')
    return allowed(principal, access, request)
  }

  async #person(request: FastifyRequest, access: RouteAccess): Promise<Principal> {
    const signedIn = await this.#deps.authenticate(request.headers.cookie)
    if (!signedIn) throw new HubError('HUB_NOT_SIGNED_IN', 'sign in first')
    if (!SAFE_METHODS.has(request.method) && request.headers['x-patrolhub'] !== '1') {
      throw new HubError('HUB_CSRF', 'the header `x-patrolhub: 1` is missing')
    }
    const { principal } = signedIn
    const { beforePasswordChange, beforeSecondFactor } = request.routeOptions.config
    if (principal.mustChangePassword && !beforePasswordChange) {
      throw new HubError('HUB_MUST_CHANGE_PASSWORD', 'replace the one-time password first')
    }
    if (principal.mustEnrolSecondFactor && !beforeSecondFactor) {
      throw new HubError('HUB_MUST_ENROL', 'set up the second factor that your role needs first')
    }
    return access === 'signed-in' ? principal : allowed(principal, access, request)
  }
}

function isBearer(request: FastifyRequest): boolean {
  return /^bearer /i.test(request.headers.authorization ?? '')
}

/** What the route is about is not known yet: its feature asks again with the region. */
function allowed(principal: Principal, access: string, request: FastifyRequest): Principal {
  const { orAccess } = request.routeOptions.config
  if (orAccess && may(principal, orAccess)) return principal
  const decision = decide(principal, access, {}, { atMs: principal.askedAtMs })
  if (decision.effect === 'deny') throw new HubError('HUB_FORBIDDEN', whyNot(decision))
  return principal
}

function present<T>(value: T | undefined, request: FastifyRequest, name: string): T {
  if (value !== undefined) return value
  throw new Error(`request.${name} is read on ${request.routeOptions.url}, whose access does not provide it`)
}
