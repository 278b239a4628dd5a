/** Bringing a piece of evidence to the hub: where to go on from, the bytes, and what the hub's answers mean. */
import { type EvidenceRecord, jsonParser, UploadProgress } from '@patrolhub/protocol'
import { askHub, type HubAccess, type HubAnswer } from '../hub-http.ts'

const TIMEOUT_MS = 30_000
/** Of less than this the hub keeps no part. */
const WORTH_ASKING_BYTES = 256 * 1024
const MAX_ANSWER_BYTES = 500

export type UploadResult =
  | { outcome: 'stored' }
  /** Try again later; `isHubDown` when no other upload would fare better now, `offset` is where this try began. */
  | { outcome: 'retry'; why: string; isHubDown: boolean; offset: number }
  /** The hub will never take it. */
  | { outcome: 'refused'; why: string }

/**
 * 404 comes while the hub has not read the announcement yet, 400 when bytes were damaged on the way, 412 when it has
 * lost what it had of them: all pass.
 */
const REFUSED = new Set([409, 413, 415, 422])

const parseProgress = jsonParser(UploadProgress)

/** Never rejects: a connection that fails is a reason to try again. Goes on from where an earlier try broke off. */
export async function uploadEvidence(
  hub: HubAccess,
  record: EvidenceRecord,
  bytes: Buffer,
  signal: AbortSignal,
): Promise<UploadResult> {
  let offset = 0
  try {
    const progress = bytes.length < WORTH_ASKING_BYTES ? undefined : await askProgress(hub, record, signal)
    if (progress?.isStored) return { outcome: 'stored' }
    const received = progress?.receivedBytes ?? 0
    if (received <= bytes.length) offset = received
    const headers = {
      'content-type': record.mime,
      'content-length': String(bytes.length - offset),
      'x-patrolhub-sha256': record.sha256,
      ...(offset > 0 ? { 'x-patrolhub-offset': String(offset) } : {}),
    }
    const content = bytes.subarray(offset)
    return read(await askHub(hub, { ...requestOf(record, signal), method: 'PUT', headers, content }), offset)
  } catch (error) {
    return { outcome: 'retry', why: (error as Error).message, isHubDown: true, offset }
  }
}

/** `undefined` if the hub does not say: it begins anew. */
async function askProgress(
  hub: HubAccess,
  record: EvidenceRecord,
  signal: AbortSignal,
): Promise<UploadProgress | undefined> {
  const headers = { 'x-patrolhub-sha256': record.sha256 }
  const { status, body } = await askHub(hub, { ...requestOf(record, signal), method: 'GET', headers })
  const parsed = status === 200 ? parseProgress(body) : undefined
  return parsed?.ok ? parsed.value : undefined
}

const requestOf = ({ evidenceId }: EvidenceRecord, signal: AbortSignal) => ({
  path: `/api/edge/evidence/${evidenceId}`,
  idleMs: TIMEOUT_MS,
  maxAnswerBytes: MAX_ANSWER_BYTES,
  signal,
})

function read({ status, body }: HubAnswer, offset: number): UploadResult {
  const why = `the hub answered ${status} ${body.slice(0, 200)}`.trim()
  if (status >= 200 && status < 300) return { outcome: 'stored' }
  if (REFUSED.has(status)) return { outcome: 'refused', why }
  const isHubDown = status === 401 || status === 403 || status === 429 || status >= 500
  return { outcome: 'retry', why, isHubDown, offset }
}
