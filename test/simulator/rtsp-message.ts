/**
 * Requests of an RTSP client out of a byte stream (RFC 2326), interleaved binary packets skipped. Bounded: a client that
 * sends something else than RTSP is an error, not memory.
 */

export interface RtspRequest {
  method: string
  url: string
  /** Header names in lower case. */
  headers: ReadonlyMap<string, string>
}

const MAX_HEADER_BYTES = 16_384
const MAX_BODY_BYTES = 65_536

export class RtspReader {
  #pending: Buffer = Buffer.alloc(0)

  /**
   * Requests completed by these bytes, in order.
   * @throws Error if the bytes are not RTSP
   */
  push(chunk: Buffer): RtspRequest[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    const requests: RtspRequest[] = []
    for (;;) {
      if (this.#pending[0] === 0x24) {
        if (this.#pending.length < 4) break
        const end = 4 + this.#pending.readUInt16BE(2)
        if (this.#pending.length < end) break
        this.#pending = this.#pending.subarray(end)
        continue
      }
      const headerEnd = this.#pending.indexOf('\r\n\r\n')
      if (headerEnd === -1) {
        if (this.#pending.length > MAX_HEADER_BYTES) throw new Error('The request has no end.')
        break
      }
      const request = parseRequest(this.#pending.toString('latin1', 0, headerEnd))
      const bodyBytes = Number(request.headers.get('content-length') ?? 0)
      if (!Number.isInteger(bodyBytes) || bodyBytes < 0 || bodyBytes > MAX_BODY_BYTES) {
        throw new Error(`Content-Length is ${request.headers.get('content-length')}.`)
      }
      const end = headerEnd + 4 + bodyBytes
      if (this.#pending.length < end) break
      this.#pending = this.#pending.subarray(end)
      requests.push(request)
    }
    return requests
  }
}

function parseRequest(text: string): RtspRequest {
  const [first = '', ...lines] = text.replace(/^(\r\n)+/, '').split('\r\n')
  const match = /^([A-Z_]+) (\S+) RTSP\/\d\.\d$/.exec(first)
  if (!match) throw new Error(`Not an RTSP request: ${JSON.stringify(first.slice(0, 60))}`)
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  return { method: match[1]!, url: match[2]!, headers }
}

/** An answer as bytes; `Content-Length` is added where there is a body. */
export function rtspResponse(
  status: number,
  reason: string,
  headers: Readonly<Record<string, string>>,
  body = '',
): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  if (body !== '') lines.push(`Content-Length: ${Buffer.byteLength(body)}`)
  return `RTSP/1.0 ${status} ${reason}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}
