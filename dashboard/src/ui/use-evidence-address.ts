import { useEffect, useState } from 'react'
import { evidenceUrl } from '../lib/api.ts'

/** An edge may send a picture some time after its alert: it is asked for again this often and this many times. */
const RETRY_MS = 4_000
const MAX_TRIES = 15

interface EvidenceAddress {
  address: string | undefined
  /** True while the last try failed. */
  hasFailed: boolean
  onError: () => void
}

/** The address of a picture, a new one for each try after a failure, so that the browser really asks again. */
export function useEvidenceAddress(evidenceId: string | undefined): EvidenceAddress {
  const [tries, setTries] = useState({ evidenceId, failed: 0, asked: 0 })
  const current = tries.evidenceId === evidenceId ? tries : { evidenceId, failed: 0, asked: 0 }
  const { failed, asked } = current
  const waits = failed > asked && failed < MAX_TRIES

  useEffect(() => {
    if (!waits) return
    const timer = setTimeout(() => setTries({ evidenceId, failed, asked: failed }), RETRY_MS)
    return () => clearTimeout(timer)
  }, [waits, evidenceId, failed])

  return {
    address:
      evidenceId === undefined
        ? undefined
        : `${evidenceUrl(evidenceId)}${asked === 0 ? '' : `?try=${asked}`}`,
    hasFailed: failed > asked,
    onError: () => setTries({ evidenceId, failed: asked + 1, asked }),
  }
}
