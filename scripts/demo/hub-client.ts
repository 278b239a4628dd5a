/** A signed-in user of the hub without a browser: the HTTP interface by session cookie, and the socket of events. */
import type { ApiError, ClientToHub, HubToClient, Session } from '@patrolhub/protocol'
import { io, type Socket } from 'socket.io-client'

export type HubSocket = Socket<HubToClient, ClientToHub>

const REQUEST_TIMEOUT_MS = 15_000

export class HubClientError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.name = 'HubClientError'
    this.status = status
    this.code = code
  }
}

export class HubClient {
  readonly #baseUrl: string
  #cookie = ''
  #socket: HubSocket | undefined

  constructor(baseUrl: string) {
    this.#baseUrl = baseUrl
  }

  /** The session's cookie, to hand to a browser. */
  get cookie(): string {
    return this.#cookie
  }

  /** @throws HubClientError with the hub's status and code */
  signIn(username: string, password: string): Promise<Session> {
    return this.request<Session>('POST', '/api/session', { username, password })
  }

  /** Replaces the password; the hub answers with a new session, which this client goes on with. */
  changePassword(current: string, next: string): Promise<Session> {
    return this.request<Session>('POST', '/api/session/password', { current, next })
  }

  get<T>(path: string): Promise<T> {
    return this.request<T>('GET', path)
  }

  /** @throws HubClientError for an answer that is no success; TypeError or DOMException if there is no answer */
  async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.#baseUrl}${path}`, {
      method,
      headers: {
        'x-patrolhub': '1',
        ...(this.#cookie === '' ? {} : { cookie: this.#cookie }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    })
    for (const line of response.headers.getSetCookie()) {
      const pair = line.split(';')[0]!
      if (pair.startsWith('patrolhub_session=')) this.#cookie = pair
    }
    const text = await response.text()
    if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T
    const { code, message } = readError(text)
    throw new HubClientError(
      response.status,
      code,
      `${method} ${path}: ${response.status} ${code} ${message}`,
    )
  }

  /** Opens the socket of events with this session; it reconnects by itself. One a client. */
  connect(): HubSocket {
    this.#socket ??= io(this.#baseUrl, {
      transports: ['websocket'],
      extraHeaders: { cookie: this.#cookie },
      reconnectionDelay: 200,
      reconnectionDelayMax: 1000,
      forceNew: true,
    }) as HubSocket
    return this.#socket
  }

  close(): void {
    this.#socket?.disconnect()
    this.#socket = undefined
  }
}

function readError(text: string): Pick<ApiError, 'code' | 'message'> {
  try {
    const { code, message, details } = JSON.parse(text) as ApiError
    return { code, message: [message, ...(details ?? [])].join('; ') }
  } catch {
    return { code: '', message: text.slice(0, 200) }
  }
}
