/** From what ffmpeg writes on standard error to one sentence that an engineer on site can act on. Pure. */

import { redact } from '../redact.ts'

/** ffmpeg says the same of a stranger's answer and of none at all: only the time that passed tells them apart. */
export const NOT_RTSP = 'what answers at this address does not speak RTSP'
export const NO_ANSWER = 'the camera did not answer in time'

interface Symptom {
  pattern: RegExp
  why: string
}

/** First match wins. */
const SYMPTOMS: readonly Symptom[] = [
  { pattern: /401 Unauthorized/, why: 'the camera refuses the user name or password' },
  { pattern: /403 Forbidden/, why: 'the camera forbids access to this stream' },
  { pattern: /404 (Stream )?Not Found/, why: 'the camera has no stream at this path' },
  { pattern: /453 Not Enough Bandwidth|503 Service/, why: 'the camera has no room for another viewer' },
  { pattern: /461 Unsupported transport/i, why: 'the camera does not offer this transport' },
  { pattern: /Failed to resolve hostname/, why: 'the name in the address is not known' },
  { pattern: /Connection refused/, why: 'nothing listens at this address' },
  { pattern: /No route to host|Network is unreachable/, why: 'there is no network path to this address' },
  { pattern: /Connection timed out|Operation timed out/, why: NO_ANSWER },
  { pattern: /Connection reset by peer/, why: 'the camera closed the connection' },
  { pattern: /Server returned 4\d\d|Server returned 5\d\d/, why: 'the camera refused the request' },
  {
    pattern: /dimensions not set|Could not find codec parameters|unspecified size/,
    why: 'the camera sends no picture that can be read',
  },
  { pattern: /does not contain any stream|matches no streams/, why: 'the camera sends no video' },
  {
    pattern: /:\/\/.*: Invalid data found when processing input|Invalid data found when processing input$/,
    why: NOT_RTSP,
  },
]

const CODEC = /Stream #0:\d+(?:\[[^\]]*\])?: Video: (\w+)/

const MAX_LINES = 12

/** Collects the lines of one run of ffmpeg, bounded, without credentials. */
export class Diagnosis {
  readonly #lines: string[] = []
  #isInputRead = false
  #codec = ''
  #errors = 0
  #isFirstTimeMissing = false

  /** Codec of the camera's video as ffmpeg names it (`h264`, `hevc`); empty until known. */
  get codec(): string {
    return this.#codec
  }

  /** Lines about damaged pictures, since the start. */
  get decodeErrors(): number {
    return this.#errors
  }

  /** True when a muxer refused the first picture because it has no time (B-frames, see the capture command). */
  get isFirstTimeMissing(): boolean {
    return this.#isFirstTimeMissing
  }

  add(line: string): void {
    const clean = redact(line.trim())
    if (clean === '' || clean.startsWith('Last message repeated')) return
    const codec = CODEC.exec(clean)
    if (codec && !this.#isInputRead) this.#codec = codec[1]!
    if (clean.startsWith('Output #')) this.#isInputRead = true
    if (/error while decoding|concealing|corrupt|non-existing PPS|Missing reference/i.test(clean)) {
      this.#errors += 1
    }
    if (/Packet is missing PTS|first pts value must be set/.test(clean)) this.#isFirstTimeMissing = true
    this.#lines.push(clean)
    if (this.#lines.length > MAX_LINES) this.#lines.shift()
  }

  /** The last lines, for the log. */
  lines(): string[] {
    return [...this.#lines]
  }

  /** Why the run ended, in words. */
  why(exitCode: number | null): string {
    const text = this.#lines.join('\n')
    const symptom = SYMPTOMS.find(({ pattern }) => this.#lines.some((line) => pattern.test(line)))
    if (symptom) return symptom.why
    if (exitCode === 0 || /Exiting normally|video:\d+kB/.test(text)) return 'the camera ended the stream'
    const last = this.#lines.at(-1)
    return last
      ? `ffmpeg ended with ${exitCode}: ${last}`.slice(0, 300)
      : `ffmpeg ended with ${exitCode} and said nothing`
  }
}
