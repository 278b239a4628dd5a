/** Answers of GA/T 1400.4: one ResponseStatus an object, in the strict form. */
import { offsetMinutes } from '../pass-time.ts'

/** ConfirmStatusType. */
export const STATUS = {
  ok: 0,
  otherError: 1,
  deviceBusy: 2,
  invalidOperation: 4,
  invalidJson: 7,
  invalidContent: 8,
} as const

export interface ResponseStatus {
  RequestURL: string
  StatusCode: number
  StatusString: string
  Id: string
  LocalTime: string
}

export interface StatusOptions {
  url: string
  code: number
  text: string
  id?: string
  nowMs: number
}

export function responseStatus({ url, code, text, id = '', nowMs }: StatusOptions): ResponseStatus {
  return {
    RequestURL: url,
    StatusCode: code,
    StatusString: text,
    Id: id,
    LocalTime: localTime(nowMs, '+08:00'),
  }
}

/** yyyyMMddHHmmss on a clock with this offset. */
export function localTime(atMs: number, timeZone: string): string {
  return new Date(atMs + offsetMinutes(timeZone) * 60_000).toISOString().replace(/\D/g, '').slice(0, 14)
}
