/** Downloads a file over HTTPS with limits on time and size. */
import { PrepareError } from './prepare-error.ts'

const TIMEOUT_MS = 120_000
const MAX_BYTES = 256 * 1024 * 1024

/** Throws PrepareError, naming the address, when the file does not come whole. */
export async function download(url: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!response.ok || !response.body) throw new Error(`HTTP status ${response.status}`)
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of response.body) {
      bytes += chunk.length
      if (bytes > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (error) {
    const { message, cause } = error as Error
    const reason = cause instanceof Error ? `${message}: ${cause.message}` : message
    throw new PrepareError(
      `cannot download ${url} (${reason}). Without the internet, fetch it on another machine and put it into a ` +
        'folder that PATROLHUB_MODELS names.',
      { cause: error },
    )
  }
}
