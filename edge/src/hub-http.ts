/** How an edge speaks HTTP(S) to its hub: with its own credential, and with the hub's own CA where there is one. */
import { type ClientRequest, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

export interface HubAccess {
  /** `http://…` or `https://…`; a path in it is kept as a prefix. */
  hubUrl: string
  edgeId: string
  token: string
  /** PEM of the authority that signed the hub's certificate, instead of the well-known ones. */
  ca?: string
}

export interface HubRequestOptions {
  method: 'GET' | 'PUT' | 'POST'
  path: string
  headers: Readonly<Record<string, string>>
  /** The request ends with an error when nothing moves on its connection for this long, before it is made or after. */
  idleMs: number
  signal?: AbortSignal
}

/** Opens a request; the caller writes the body and must listen for `error`. */
export function hubRequest(hub: HubAccess, options: HubRequestOptions): ClientRequest {
  const url = new URL(hub.hubUrl.replace(/\/+$/, '') + options.path)
  const credential = Buffer.from(`${hub.edgeId}:${hub.token}`).toString('base64')
  const settings = {
    method: options.method,
    headers: { ...options.headers, authorization: `Basic ${credential}` },
    ...(options.signal ? { signal: options.signal } : {}),
    timeout: options.idleMs,
  }
  const request =
    url.protocol === 'https:'
      ? httpsRequest(url, { ...settings, ...(hub.ca ? { ca: hub.ca } : {}) })
      : httpRequest(url, settings)
  request.on('timeout', () => request.destroy(new Error(`no answer in ${options.idleMs / 1000} s`)))
  return request
}

export interface HubAnswer {
  status: number
  /** Cut to `maxAnswerBytes`. */
  body: string
}

/** A whole request and its answer. Rejects if the connection fails. */
export function askHub(
  hub: HubAccess,
  { maxAnswerBytes, content, ...options }: HubRequestOptions & { maxAnswerBytes: number; content?: Buffer },
): Promise<HubAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HubAnswer>()
  const request = hubRequest(hub, options)
  request.on('error', reject)
  request.on('response', (response) => {
    const parts: Buffer[] = []
    let bytes = 0
    response.on('data', (part: Buffer) => {
      if (bytes < maxAnswerBytes) parts.push(part)
      bytes += part.length
    })
    response.on('error', reject)
    response.on('end', () => {
      const body = Buffer.concat(parts).subarray(0, maxAnswerBytes).toString('utf8')
      resolve({ status: response.statusCode ?? 0, body })
    })
  })
  request.end(content)
  return promise
}
