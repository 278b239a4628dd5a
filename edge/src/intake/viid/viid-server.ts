/**
 * The HTTP side of GA/T 1400.4 that checkpoints speak: Register with a digest, Keepalive, UnRegister, Time and
 * MotorVehicles. A device speaks for its own checkpoint only: the request's User-Identify (or its digest) says who it is,
 * and what it sends goes to that checkpoint whatever the objects name. Passages are answered when they are durable.
 */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { DeviceCredential, ViidConfig } from '../../config.ts'
import { EdgeError } from '../../errors.ts'
import type { DeviceMessage, Taken } from '../device-message.ts'
import { Fields, isGroup, readJson } from '../fields.ts'
import { Digest } from './digest.ts'
import { Registrations } from './registrations.ts'
import { localTime, type ResponseStatus, responseStatus, STATUS } from './status.ts'

export interface ViidServerOptions extends ViidConfig {
  devices: readonly DeviceCredential[]
  onMessage: (message: DeviceMessage) => Promise<Taken>
  log: Logger
}

const REALM = 'patrolhub'
const REQUEST_MS = 30_000
/** Bodies may be large: this many are taken in at the same time, further ones are asked to come later. */
const MAX_AT_ONCE = 16
const MAX_CONNECTIONS = 1024
const SMALL_BODY_BYTES = 16_384

/** A credential with an id by which it may register. */
type ViidDevice = DeviceCredential & { viidDeviceId: string }

export class ViidServer {
  readonly #options: ViidServerOptions
  readonly #log: Logger
  readonly #devices: ReadonlyMap<string, ViidDevice>
  readonly #digest: Digest<ViidDevice>
  readonly #registrations: Registrations
  /** Whose request it is, once that is known. */
  readonly #senders = new WeakMap<FastifyRequest, ViidDevice>()
  #server: FastifyInstance | undefined
  #atOnce = 0

  constructor(options: ViidServerOptions) {
    this.#options = options
    this.#log = options.log
    const devices = options.devices.filter(
      (device): device is ViidDevice => device.viidDeviceId !== undefined,
    )
    this.#devices = new Map(devices.map((device) => [device.viidDeviceId, device]))
    this.#digest = new Digest(REALM, devices)
    this.#registrations = new Registrations(options.keepaliveSeconds)
  }

  /** @throws EdgeError EDGE_PORT_IN_USE. */
  async start(): Promise<void> {
    const server = Fastify({
      bodyLimit: this.#options.maxBodyBytes,
      requestTimeout: REQUEST_MS,
      connectionTimeout: REQUEST_MS,
      keepAliveTimeout: this.#options.keepaliveSeconds * 1000,
      // Without logging of its own: a request may hold plates.
      logger: false,
      forceCloseConnections: true,
    })
    this.#server = server
    ;(server.server as Server).maxConnections = MAX_CONNECTIONS
    // The standard's type is application/VIID+JSON; devices write several others. What it is, the parser says.
    server.removeAllContentTypeParsers()
    server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    this.#routes(server)
    const { host, port } = this.#options
    try {
      await server.listen({ host, port })
    } catch (error) {
      throw listenError(error, this.#options)
    }
  }

  /** The port in use, also when the configuration asked for any. */
  get port(): number {
    return (this.#server?.server.address() as AddressInfo | null)?.port ?? 0
  }

  /** True while a device of this checkpoint is registered. */
  isConnected(deviceId: string): boolean {
    const nowMs = performance.now()
    return this.#options.devices.some(
      (device) =>
        device.deviceId === deviceId &&
        device.viidDeviceId !== undefined &&
        this.#registrations.isRegistered(device.viidDeviceId, nowMs),
    )
  }

  async close(): Promise<void> {
    await this.#server?.close()
  }

  #routes(server: FastifyInstance): void {
    server.setErrorHandler((error: { statusCode?: number; message: string }, request, reply) => {
      const code = error.statusCode ?? 500
      if (code >= 500) this.#log.error({ err: error }, 'a request of a device failed')
      const text = code >= 500 ? 'the edge cannot take it now' : error.message
      return reply.code(code).send(failure(request, STATUS.otherError, text))
    })
    server.setNotFoundHandler((request, reply) =>
      reply.code(404).send(failure(request, STATUS.invalidOperation, 'this edge does not know this request')),
    )
    const small = { bodyLimit: SMALL_BODY_BYTES }
    server.post('/VIID/System/Register', small, (request, reply) => this.#register(request, reply))
    server.post('/VIID/System/UnRegister', small, (request, reply) => this.#unregister(request, reply))
    server.post('/VIID/System/Keepalive', small, (request, reply) => this.#keepalive(request, reply))
    server.get('/VIID/System/Time', (_request, reply) => reply.send(this.#time()))
    // Who sends is asked before the body is read: nobody else gets to fill the memory.
    const onRequest = async (request: FastifyRequest, reply: FastifyReply) => this.#admit(request, reply)
    server.post('/VIID/MotorVehicles', { onRequest }, (request, reply) => this.#motorVehicles(request, reply))
  }

  #admit(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const device = this.#identify(request, reply)
    if (!device) return reply
    if (this.#atOnce >= MAX_AT_ONCE) {
      const answer = failure(request, STATUS.deviceBusy, 'busy, try again')
      return reply.code(503).header('retry-after', '1').send(answer)
    }
    this.#atOnce += 1
    reply.raw.once('close', () => {
      this.#atOnce -= 1
    })
    this.#senders.set(request, device)
    return undefined
  }

  /** Only a digest registers, whatever was before. */
  #register(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const device = this.#byDigest(request, reply)
    if (!device) return reply
    const named = deviceIdIn(request, 'RegisterObject')
    if (named !== device.viidDeviceId) {
      return this.#refuse(request, reply, `${named ?? 'no DeviceID'} is not the DeviceID of this user`)
    }
    this.#registrations.register(device.viidDeviceId, request.ip, performance.now())
    this.#log.info({ deviceId: device.deviceId, address: request.ip }, 'a device has registered')
    return reply.send(single(request, device.viidDeviceId))
  }

  #unregister(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const device = this.#byDigest(request, reply)
    if (!device) return reply
    this.#registrations.remove(device.viidDeviceId)
    this.#log.info({ deviceId: device.deviceId }, 'a device has unregistered')
    return reply.send(single(request, device.viidDeviceId))
  }

  #keepalive(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const device = this.#identify(request, reply)
    return device ? reply.send(single(request, device.viidDeviceId)) : reply
  }

  #time(): object {
    const nowMs = Date.now()
    return {
      SystemTimeObject: {
        VIIDServerID: this.#options.serverId,
        // 1: network time, as far as the edge has it.
        TimeMode: '1',
        LocalTime: localTime(nowMs, '+08:00'),
        TimeZone: 'UTC+08:00',
      },
    }
  }

  async #motorVehicles(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const taken = await this.#options.onMessage({
      deviceId: this.#senders.get(request)!.deviceId,
      kind: 'passages',
      topic: request.url.slice(0, 200),
      payload: bodyOf(request),
      // A device that got no answer posts the same body again; two vehicles never have the same one.
      isRepeat: true,
    })
    return reply.code(isNoJson(taken) ? 400 : 200).send(list(request, taken))
  }

  /** Who sends: a device that is registered from this address, or one that gives a digest. Else the answer is sent. */
  #identify(request: FastifyRequest, reply: FastifyReply): ViidDevice | undefined {
    if (request.headers.authorization !== undefined) return this.#byDigest(request, reply)
    const named = String(request.headers['user-identify'] ?? '')
    const device = this.#devices.get(named)
    const isKnown = device && this.#registrations.renew(named, request.ip, performance.now())
    if (device && isKnown && !this.#options.isDigestAlways) return device
    this.#challenge(request, reply, 'this device is not registered', false)
    return undefined
  }

  #byDigest(request: FastifyRequest, reply: FastifyReply): ViidDevice | undefined {
    const { authorization } = request.headers
    const result = this.#digest.check({ method: request.method, uri: request.url, authorization }, Date.now())
    if (!result.ok) {
      // The first request of every client comes without: that is how it gets its nonce.
      if (authorization !== undefined && !result.isStale) {
        this.#log.warn({ address: request.ip, why: result.why }, 'a device was refused')
      }
      this.#challenge(request, reply, result.why, result.isStale)
      return undefined
    }
    const named = request.headers['user-identify']
    if (named !== undefined && named !== result.user.viidDeviceId) {
      this.#refuse(request, reply, 'User-Identify is not the DeviceID of this user')
      return undefined
    }
    return result.user
  }

  #challenge(request: FastifyRequest, reply: FastifyReply, why: string, isStale: boolean): void {
    void reply
      .code(401)
      .header('www-authenticate', this.#digest.challenges(Date.now(), isStale))
      .send(failure(request, STATUS.invalidOperation, why))
  }

  #refuse(request: FastifyRequest, reply: FastifyReply, why: string): FastifyReply {
    this.#log.warn({ address: request.ip, why }, 'a device was refused')
    return reply.code(403).send(failure(request, STATUS.invalidOperation, why))
  }
}

function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

/** `{ "RegisterObject": { "DeviceID": "…" } }`, in any case. */
function deviceIdIn(request: FastifyRequest, group: string): string | undefined {
  const json = readJson(bodyOf(request))
  if (!json.ok || !isGroup(json.value)) return undefined
  const inner = new Fields(json.value).get(group)
  return isGroup(inner) ? new Fields(inner).text('DeviceID', 40) : undefined
}

function isNoJson({ refusals }: Taken): boolean {
  return refusals.some(({ field, item }) => field === '(message)' && item === undefined)
}

function status(request: FastifyRequest, code: number, text: string, id?: string): ResponseStatus {
  return responseStatus({
    url: request.url.slice(0, 256),
    code,
    text: text.slice(0, 256),
    ...(id === undefined ? {} : { id }),
    nowMs: Date.now(),
  })
}

function single(request: FastifyRequest, id: string): object {
  return { ResponseStatusObject: status(request, STATUS.ok, 'OK', id) }
}

function failure(request: FastifyRequest, code: number, text: string): object {
  return { ResponseStatusObject: status(request, code, text) }
}

/** One status an object, in their order. */
function list(request: FastifyRequest, taken: Taken): object {
  const ofMessage = taken.refusals.find(({ item }) => item === undefined)
  const byItem = new Map(taken.refusals.map((refusal) => [refusal.item, refusal]))
  const objects = taken.ids.map((id, index) => {
    const refusal = byItem.get(index)
    return refusal
      ? status(request, STATUS.invalidContent, `${refusal.field} ${refusal.reason}`, id)
      : status(request, STATUS.ok, 'OK', id)
  })
  if (ofMessage) {
    const code = ofMessage.reason === 'is not JSON' ? STATUS.invalidJson : STATUS.invalidContent
    objects.push(status(request, code, `${ofMessage.field} ${ofMessage.reason}`))
  }
  return { ResponseStatusListObject: { ResponseStatusObject: objects } }
}

function listenError(error: unknown, { host, port }: { host: string; port: number }): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return error
  const why = code === 'EADDRINUSE' ? 'is taken by another program' : 'may not be opened by this user'
  const message = `Port ${port} on ${host} ${why}; set intake.viid.port to another one.`
  return new EdgeError('EDGE_PORT_IN_USE', message, { cause: error })
}
