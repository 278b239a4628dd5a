/**
 * The one way to the hub's HTTP interface. Enters: a method, a path, a body. Leaves: the answer, or an `ApiError` with
 * the hub's stable code. The session is a cookie that scripts cannot read; a request that changes something carries
 * the header `x-patrolhub`, which a foreign page cannot set.
 */
import type { ApiError as ApiErrorBody } from '@patrolhub/protocol'
import { noteHubDate } from './hub-clock.ts'

/** Code of an error that is not the hub's: it was not reached, or did not answer in time. */
export const UNREACHABLE = 'UNREACHABLE'
const ANSWER_WITHIN_MS = 15_000
/** A photo over a weak phone network takes longer. */
const UPLOAD_WITHIN_MS = 120_000

export class ApiError extends Error {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number
  readonly code: string
  readonly details: readonly string[]

  constructor(status: number, body: ApiErrorBody, options?: ErrorOptions) {
    super(body.message, options)
    this.name = 'ApiError'
    this.status = status
    this.code = body.code
    this.details = body.details ?? []
  }

  /** True if the same request may succeed later without anybody changing anything. */
  get isTemporary(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500
  }
}

export type Query = Readonly<Record<string, string | number | undefined>>

interface RequestOptions {
  query?: Query
  /** A Blob goes as it is, with its own type; anything else as JSON. */
  body?: unknown
  signal?: AbortSignal
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** `/api/alerts` and `{ limit: 5, before: undefined }` give `/api/alerts?limit=5`. */
export function withQuery(path: string, query: Query = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  const text = search.toString()
  return text === '' ? path : `${path}?${text}`
}

async function errorOf(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined)
  const known = body as Partial<ApiErrorBody> | undefined
  return new ApiError(response.status, {
    code: typeof known?.code === 'string' ? known.code : `HTTP_${response.status}`,
    message: typeof known?.message === 'string' ? known.message : response.statusText,
    details: Array.isArray(known?.details) ? known.details : [],
  })
}

/** Rejects with an `ApiError`, or with the abort's own reason if `signal` was aborted. An answer 204 is `undefined`. */
export async function request<T>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (method !== 'GET') headers['x-patrolhub'] = '1'
  let body: BodyInit | undefined
  if (options.body instanceof Blob) {
    headers['content-type'] = options.body.type
    body = options.body
  } else if (options.body !== undefined) {
    headers['content-type'] = 'application/json'
    body = JSON.stringify(options.body)
  }
  const deadline = AbortSignal.timeout(options.body instanceof Blob ? UPLOAD_WITHIN_MS : ANSWER_WITHIN_MS)
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline
  let response: Response
  try {
    response = await fetch(withQuery(path, options.query), {
      method,
      headers,
      body,
      signal,
      credentials: 'same-origin',
    })
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    throw new ApiError(0, { code: UNREACHABLE, message: 'The hub cannot be reached.' }, { cause })
  }
  noteHubDate(response.headers.get('date'))
  if (!response.ok) throw await errorOf(response)
  if (response.status === 204) return undefined as T
  return (await response.json()) as T
}

export const api = {
  get: <T>(path: string, options?: Omit<RequestOptions, 'body'>) => request<T>('GET', path, options),
  post: <T>(path: string, body?: unknown) => request<T>('POST', path, { body }),
  put: <T>(path: string, body?: unknown) => request<T>('PUT', path, { body }),
  delete: <T>(path: string, body?: unknown) => request<T>('DELETE', path, { body }),
}

/** Where the bytes of a piece of evidence are served. */
export const evidenceUrl = (evidenceId: string): string => `/api/evidence/${encodeURIComponent(evidenceId)}`
