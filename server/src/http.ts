/**
 * The HTTP server around the features: headers that browsers obey, answers to errors, health, figures, the API's own
 * description and the dashboard's files. Which features there are stands in app.ts.
 */
import { randomUUID, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fastifyHelmet from '@fastify/helmet'
import fastifyStatic from '@fastify/static'
import fastifySwagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { ApiError } from '@patrolhub/protocol'
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { Logger } from 'pino'
import { Type } from 'typebox'
import type { HubConfig } from './config.ts'
import { HubError, type HubErrorCode } from './errors.ts'
import { boundBodies, HTTP_LIMITS, type HttpLimits, serverLimits } from './http-limits.ts'
import type { Metrics } from './metrics.ts'

export interface HttpOptions {
  config: HubConfig
  metrics: Metrics
  log: Logger
  /** Each rejects with the reason if that part does not work now. */
  checks: Readonly<Record<string, () => Promise<void>>>
  limits?: HttpLimits
}

const BODY_LIMIT_BYTES = 256 * 1024
const CHECK_TIMEOUT_MS = 3000
const MAX_DETAILS = 20

/** Reads certificate and key, if the configuration names them. */
export function readTls(config: HubConfig): { cert: string; key: string } | undefined {
  const { tlsCertFile, tlsKeyFile } = config
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return undefined
  return { cert: readFileSync(tlsCertFile, 'utf8'), key: readFileSync(tlsKeyFile, 'utf8') }
}

/** A server without routes of features. `guard` installs the check of every route; it has to come first. */
export async function createHttpServer(
  options: HttpOptions,
  guard: (app: FastifyInstance) => void,
): Promise<FastifyInstance> {
  const { config, log, limits = HTTP_LIMITS } = options
  const tls = readTls(config)
  const app = fastify({
    ...((tls
      ? { https: { ...tls, minVersion: 'TLSv1.2', ...serverLimits(limits) } }
      : { http: serverLimits(limits) }) as object),
    loggerInstance: log.child({ component: 'http' }),
    // Requests are told once they are answered, by countRequests.
    logController: new LogController({ disableRequestLogging: true }),
    // One proxy, ours: what stands before the address that it added may be anything that a caller sent.
    trustProxy: config.trustProxy ? (_address: string, hop: number) => hop === 0 : false,
    frameworkErrors: answerBeforeRouting,
    bodyLimit: BODY_LIMIT_BYTES,
    genReqId: () => randomUUID(),
    // Players and uploads stay open for hours: a close does not wait for them.
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
    ajv: {
      customOptions: {
        // An unknown or misspelt property is told, not dropped.
        removeAdditional: false,
        coerceTypes: true,
        useDefaults: true,
        allErrors: true,
      },
    },
  }).withTypeProvider<TypeBoxTypeProvider>() as unknown as FastifyInstance

  guard(app)
  boundBodies(app, limits)
  answerErrors(app)
  countRequests(app, options.metrics)
  await app.register(fastifyHelmet, securityHeaders(tls !== undefined))
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Patrolhub',
        description: 'The HTTP interface of the hub. Errors are answered as `ApiError`.',
        version: '1',
      },
    },
    hideUntagged: false,
  })
  operatorRoutes(app, options)
  return app
}

function securityHeaders(hasTls: boolean) {
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'self'"],
        'base-uri': ["'none'"],
        'connect-src': ["'self'", 'ws:', 'wss:'],
        'font-src': ["'self'"],
        'form-action': ["'self'"],
        'frame-ancestors': ["'none'"],
        'img-src': ["'self'", 'blob:', 'data:'],
        // mpegts.js feeds the player from a blob.
        'media-src': ["'self'", 'blob:'],
        'object-src': ["'none'"],
        'script-src': ["'self'"],
        'style-src': ["'self'"],
        'worker-src': ["'self'"],
      },
    },
    // Over plain HTTP browsers ignore these, and say so on the console of every page.
    strictTransportSecurity: hasTls ? { maxAge: 31_536_000 } : false,
    crossOriginOpenerPolicy: hasTls,
    originAgentCluster: hasTls,
    referrerPolicy: { policy: 'same-origin' },
  } as const
}

/** Every error leaves as `ApiError`; what is our fault is logged and told no more than its request id. */
function answerErrors(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
  })
  app.setErrorHandler((error: FastifyError | HubError, request, reply) => {
    const { status, body } = describeError(error, request)
    if (status >= 500) {
      // 502 and 503 say that somebody else is away, a camera or a service behind us: no fault to look for in the hub.
      const level = status === 500 ? 'error' : 'warn'
      request.log[level]({ err: error, requestId: request.id, url: request.url }, 'request failed')
    }
    // A reply that has begun cannot be answered any more.
    if (reply.raw.headersSent) return reply.raw.destroy()
    return reply.code(status).type('application/json; charset=utf-8').serializer(JSON.stringify).send(body)
  })
}

/** An address that cannot be read has no route, and so no error handler. */
function answerBeforeRouting(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const { status, body } = describeError(error, request)
  reply
    .code(status)
    .header('x-request-id', request.id)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(body)
}

function describeError(
  error: FastifyError | HubError,
  request: FastifyRequest,
): { status: number; body: ApiError } {
  if (error instanceof HubError && error.status > 0) {
    const details = error.details.length > 0 ? { details: error.details.slice(0, MAX_DETAILS) } : {}
    return { status: error.status, body: { code: error.code, message: error.message, ...details } }
  }
  const { validation, validationContext, statusCode = 500 } = error as FastifyError
  if (validation) {
    const details = validation
      .slice(0, MAX_DETAILS)
      .map((problem) => `${problem.instancePath || '/'}: ${problem.message ?? 'is not allowed'}`)
    const where = validationContext ?? 'request'
    return badRequest(400, 'HUB_BAD_REQUEST', `the ${where} does not fit its schema`, details)
  }
  if (statusCode >= 400 && statusCode < 500) return badRequest(statusCode, 'HUB_BAD_REQUEST', error.message)
  const message = `something went wrong in the hub; its log has it under ${request.id}`
  return { status: 500, body: { code: 'HUB_INTERNAL', message } }
}

function badRequest(status: number, code: HubErrorCode, message: string, details?: string[]) {
  return { status, body: { code, message, ...(details ? { details } : {}) } satisfies ApiError }
}

function countRequests(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const labels = {
      method: request.method,
      // The pattern, not the address: what people ask for must not become the names of figures.
      route: request.routeOptions.url ?? '(none)',
      status: String(reply.statusCode),
    }
    metrics.httpSeconds.observe(labels, reply.elapsedTime / 1000)
    request.log.debug({ requestId: request.id, ...labels, ms: reply.elapsedTime }, 'request')
  })
}

/** What those who run the hub ask for. */
function operatorRoutes(app: FastifyInstance, { metrics, checks, log, config }: HttpOptions): void {
  const isPublic = { access: 'public' } as const
  app.get(
    '/healthz',
    {
      config: isPublic,
      schema: {
        summary: 'The process runs',
        tags: ['operation'],
        response: { 200: Type.Object({ ok: Type.Boolean() }) },
      },
    },
    async () => ({ ok: true }),
  )

  const Ready = Type.Object({ ready: Type.Boolean(), checks: Type.Record(Type.String(), Type.String()) })
  app.get(
    '/readyz',
    {
      config: isPublic,
      schema: {
        summary: 'The hub can do its work: its stores and its broker answer',
        tags: ['operation'],
        response: { 200: Ready, 503: Ready },
      },
    },
    async (_request, reply) => {
      const results = await Promise.all(
        Object.entries(checks).map(async ([name, check]) => {
          try {
            await withTimeout(check(), CHECK_TIMEOUT_MS)
            return [name, 'ok'] as const
          } catch (err) {
            log.warn({ err, check: name }, 'not ready')
            return [name, 'failing'] as const
          }
        }),
      )
      const ready = results.every(([, result]) => result === 'ok')
      return reply.code(ready ? 200 : 503).send({ ready, checks: Object.fromEntries(results) })
    },
  )

  app.get(
    '/metrics',
    { config: isPublic, schema: { summary: 'Figures for Prometheus', tags: ['operation'] } },
    async (request, reply) => {
      if (
        config.metricsToken !== undefined &&
        !isBearer(request.headers.authorization, config.metricsToken)
      ) {
        throw new HubError(
          'HUB_NOT_SIGNED_IN',
          'the figures ask for the bearer token of PATROLHUB_METRICS_TOKEN',
        )
      }
      return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics())
    },
  )

  app.get('/api/openapi.json', { config: isPublic, schema: { hide: true } }, async () => app.swagger())
}

function isBearer(authorization: string | undefined, token: string): boolean {
  const given = Buffer.from(authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

async function withTimeout(work: Promise<void>, timeoutMs: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  try {
    await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Paths that belong to the interface: an unknown one there is an error, never the dashboard's page. */
const INTERFACE_PATH = /^\/(api|media|socket\.io|metrics|healthz|readyz)(\/|\?|$)/

/** The dashboard's files; any other page address answers its index, so that a reload inside the application works. */
export async function serveDashboard(app: FastifyInstance, folder: string, log: Logger): Promise<void> {
  if (!existsSync(join(folder, 'index.html'))) {
    log.warn(
      { folder },
      'the dashboard is not built: only the interface is served (npm run build -w dashboard)',
    )
    app.setNotFoundHandler(answerNotFound)
    return
  }
  await app.register(async (files) => {
    // The plugin declares its routes without saying who may use them.
    files.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: 'public' }
    })
    await files.register(fastifyStatic, {
      root: folder,
      dotfiles: 'ignore',
      // Names of built files carry their hash; the index has to be looked at again.
      setHeaders: (reply, path) => {
        const isHashed = path.startsWith(join(folder, 'assets', '/'))
        reply.header('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-cache')
      },
    })
    files.setNotFoundHandler((request, reply) => {
      const isPage =
        (request.method === 'GET' || request.method === 'HEAD') && !INTERFACE_PATH.test(request.url)
      return isPage ? reply.sendFile('index.html') : answerNotFound(request)
    })
  })
}

function answerNotFound(request: FastifyRequest): never {
  throw new HubError('HUB_NOT_FOUND', `there is no ${request.method} ${request.url.split('?')[0]}`)
}
