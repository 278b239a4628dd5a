/** One PUT of evidence to the hub, and what its answer means. */
import type { EvidenceRecord } from '@patrolhub/protocol'
import { type HubAccess, hubRequest } from '../hub-http.ts'

const TIMEOUT_MS = 30_000

export type UploadResult =
  | { outcome: 'stored' }
  /** Try again later; `isHubDown` when no other upload would fare better now. */
  | { outcome: 'retry'; why: string; isHubDown: boolean }
  /** The hub will never take it. */
  | { outcome: 'refused'; why: string }

/** 404 comes while the hub has not read the announcement yet, 400 when bytes were damaged on the way: both pass. */
const REFUSED = new Set([409, 413, 415, 422])

function read(status: number, why: string): UploadResult {
  if (status >= 200 && status < 300) return { outcome: 'stored' }
  if (REFUSED.has(status)) return { outcome: 'refused', why }
  const isHubDown = status === 401 || status === 403 || status === 429 || status >= 500
  return { outcome: 'retry', why, isHubDown }
}

/** Never rejects: a connection that fails is a reason to try again. */
export function uploadEvidence(
  hub: HubAccess,
  record: EvidenceRecord,
  bytes: Buffer,
  signal: AbortSignal,
): Promise<UploadResult> {
  return new Promise((resolve) => {
    const retry = (why: string): void => resolve({ outcome: 'retry', why, isHubDown: true })
    const request = hubRequest(hub, {
      method: 'PUT',
      path: `/api/edge/evidence/${record.evidenceId}`,
      headers: {
        'content-type': record.mime,
        'content-length': String(bytes.length),
        'x-patrolhub-sha256': record.sha256,
      },
      idleMs: TIMEOUT_MS,
      signal,
    })
    request.on('error', (error) => retry(error.message))
    request.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        if (body.length < 500) body += chunk
      })
      response.on('error', (error) => retry(error.message))
      response.on('end', () => {
        const status = response.statusCode ?? 0
        resolve(read(status, `the hub answered ${status} ${body.slice(0, 200)}`.trim()))
      })
    })
    request.end(bytes)
  })
}
