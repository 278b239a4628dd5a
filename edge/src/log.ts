/** The log of an edge: one JSON line a message on stdout. Parts get a child that names them. */
import { type Logger, pino } from 'pino'

/** Wherever they come up, these are not written. */
const SECRETS = ['token', 'password', 'key', 'hashKey', 'cipherKey'].flatMap((name) => [name, `*.${name}`])

export function createLog({ level, edgeId }: { level: string; edgeId: string }): Logger {
  return pino({
    level,
    base: { edgeId },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: SECRETS, censor: '(secret)' },
  })
}
