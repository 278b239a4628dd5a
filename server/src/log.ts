/** The root logger: JSON lines on standard output, secrets taken out wherever they stand. */
import { type Logger, pino } from 'pino'
import type { HubConfig } from './config.ts'

const SECRETS = [
  'password',
  'token',
  'authorization',
  'cookie',
  'influxToken',
  '*.password',
  '*.token',
  '*.authorization',
  '*.cookie',
  '*.influxToken',
  '*.headers.authorization',
  '*.headers.cookie',
]

export function createLog(config: Pick<HubConfig, 'logLevel'>): Logger {
  return pino({
    base: null,
    level: config.logLevel,
    redact: { paths: SECRETS, censor: '(secret)' },
    timestamp: pino.stdTimeFunctions.isoTime,
  })
}
