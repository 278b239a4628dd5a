/** The HTTP side of a simulated GA/T 1400 device: registers with a digest, posts passages, sends again what failed. */
import { createHash } from 'node:crypto'
import { parseAuthorization } from '../../edge/src/intake/viid/digest.ts'
import type { DeviceSender } from './device-client.ts'

export interface ViidClientOptions {
  /** e.g. `http://127.0.0.1:8120` */
  url: string
  /** 20 digits. */
  viidDeviceId: string
  username: string
  password: string
  algorithm?: 'MD5' | 'SHA-256'
}

/** Posts that wait for an answer or for another try. */
const MAX_WAITING = 100
const RETRY_MS = 500
const REQUEST_MS = 10_000

/** An Authorization header by RFC 7616 out of a WWW-Authenticate header with one or more challenges. */
export function authorize(
  challenges: string,
  {
    path,
    algorithm = 'MD5',
    username,
    password,
    nc = '00000001',
  }: {
    path: string
    algorithm?: 'MD5' | 'SHA-256'
    username: string
    password: string
    nc?: string
  },
): string {
  const challenge = challenges
    .split(/,\s*(?=Digest )/)
    .find((each) => each.includes(`algorithm=${algorithm}`))
  const { nonce, realm, opaque } = parseAuthorization(challenge) ?? {}
  const hash = (text: string) =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex')
  const secret = hash(`${username}:${realm}:${password}`)
  const response = hash(`${secret}:${nonce}:${nc}:abcdef:auth:${hash(`POST:${path}`)}`)
  return (
    `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${path}", algorithm=${algorithm}, ` +
    `opaque="${opaque}", qop=auth, nc=${nc}, cnonce="abcdef", response="${response}"`
  )
}

export class ViidClient implements DeviceSender {
  readonly #options: ViidClientOptions
  readonly #stop = new AbortController()
  #registration: Promise<void> | undefined
  #waiting = 0
  isConnected = false
  sent = 0
  dropped = 0
  /** Objects that the edge has answered with a StatusCode other than 0. */
  refused = 0

  constructor(options: ViidClientOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    await this.#register()
  }

  /** Posts one passage; the topic of MQTT means nothing here. Dropped and counted when too many wait. */
  publish(_topic: string, message: object | string): void {
    if (this.#waiting >= MAX_WAITING || this.#stop.signal.aborted) {
      this.dropped += 1
      return
    }
    this.#waiting += 1
    const body =
      typeof message === 'string'
        ? message
        : JSON.stringify({ MotorVehicleListObject: { MotorVehicleObject: [message] } })
    void this.#deliver(body).finally(() => {
      this.#waiting -= 1
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.isConnected = false
  }

  async #deliver(body: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const answer = await this.#post('/VIID/MotorVehicles', body).catch(() => undefined)
      if (answer?.status === 401) {
        this.isConnected = false
        await this.#register().catch(() => undefined)
      } else if (answer && answer.status < 500) {
        const { ResponseStatusListObject: list } = (await answer.json()) as {
          ResponseStatusListObject?: { ResponseStatusObject: { StatusCode: number }[] }
        }
        const objects = list?.ResponseStatusObject ?? []
        this.refused += objects.filter(({ StatusCode }) => StatusCode !== 0).length
        this.sent += 1
        return
      }
      if (answer?.status !== 401 || !this.isConnected) await this.#pause()
    }
    this.dropped += 1
  }

  /** One registration at a time, however many posts were answered with 401. */
  #register(): Promise<void> {
    this.#registration ??= this.#registerOnce().finally(() => {
      this.#registration = undefined
    })
    return this.#registration
  }

  async #registerOnce(): Promise<void> {
    const path = '/VIID/System/Register'
    const body = JSON.stringify({ RegisterObject: { DeviceID: this.#options.viidDeviceId } })
    const asked = await this.#post(path, body)
    const authorization = authorize(asked.headers.get('www-authenticate') ?? '', { ...this.#options, path })
    const answer = await this.#post(path, body, { authorization })
    if (answer.status !== 200) throw new Error(`the edge does not register this device: ${answer.status}`)
    this.isConnected = true
  }

  #post(path: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.#options.url + path, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/VIID+JSON;charset=utf-8',
        'user-identify': this.#options.viidDeviceId,
        ...headers,
      },
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(REQUEST_MS)]),
    })
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}
