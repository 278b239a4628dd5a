/** Reads what devices send: any text encoding and spelling of a value that has one meaning is taken. */

/** Why a message, or one item of it, cannot be used. */
export interface Refusal {
  /** The field at fault, e.g. `PassTime`; `(message)` for the whole. */
  field: string
  reason: string
  /** Which item of a list, from 0; none if the whole message is meant. */
  item?: number
}

export interface ParsedItems<T> {
  items: T[]
  refusals: Refusal[]
}

/** At most this many items of one message are taken. */
export const MAX_ITEMS = 1000

const utf8 = new TextDecoder('utf-8', { fatal: true })
const gb18030 = new TextDecoder('gb18030')

export function refused<T>(field: string, reason: string): ParsedItems<T> {
  return { items: [], refusals: [{ field, reason }] }
}

/**
 * A JSON value out of bytes: UTF-8 with or without a byte order mark, or GB 18030, which many devices send without
 * saying so.
 */
export function readJson(payload: Uint8Array): { ok: true; value: unknown } | { ok: false; reason: string } {
  if (payload.length === 0) return { ok: false, reason: 'is empty' }
  try {
    return { ok: true, value: JSON.parse(decodeText(payload)) }
  } catch {
    return { ok: false, reason: 'is not JSON' }
  }
}

function decodeText(payload: Uint8Array): string {
  let text: string
  try {
    text = utf8.decode(payload)
  } catch {
    // GB 18030 decodes almost anything: whether it is JSON decides.
    return gb18030.decode(payload)
  }
  // The two bytes of one Chinese character are often valid UTF-8 too, as a letter of a script that no device here
  // writes: 豫 reads as ԥ. Text in UTF-8 that holds Chinese has characters from U+0800 on.
  const looksForeign = /[\u0080-\u00b6\u00b8-\u07ff]/.test(text) && !/[\u0800-\uffff]/.test(text)
  return looksForeign ? gb18030.decode(payload) : text
}

/** Parses each item of a list on its own, so that one bad item does not refuse its neighbours. */
export function parseItems<T>(
  list: readonly unknown[],
  parseItem: (fields: Fields, index: number) => T | Refusal,
): ParsedItems<T> {
  if (list.length === 0) return refused('(message)', 'holds nothing')
  const parsed: ParsedItems<T> = { items: [], refusals: [] }
  for (const [index, item] of list.slice(0, MAX_ITEMS).entries()) {
    if (!isGroup(item)) {
      parsed.refusals.push({ field: '(message)', reason: 'is not a group of fields', item: index })
      continue
    }
    const result = parseItem(new Fields(item), index)
    if (isRefusal(result)) parsed.refusals.push({ ...result, item: index })
    else parsed.items.push(result)
  }
  if (list.length > MAX_ITEMS) {
    parsed.refusals.push({ field: '(message)', reason: `holds more than ${MAX_ITEMS} items` })
  }
  return parsed
}

export function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isRefusal(result: unknown): result is Refusal {
  return isGroup(result) && typeof result.field === 'string' && typeof result.reason === 'string'
}

/** The fields of one item, found whatever the case of their names. */
export class Fields {
  readonly #byName = new Map<string, unknown>()

  constructor(item: Record<string, unknown>) {
    for (const [name, value] of Object.entries(item)) this.#byName.set(name.toLowerCase(), value)
  }

  get(name: string): unknown {
    return this.#byName.get(name.toLowerCase())
  }

  /** Trimmed text without control characters; a number becomes its digits. `undefined` if there is none. */
  text(name: string, maxLength = 20): string | undefined {
    const value = this.get(name)
    if (typeof value !== 'string' && typeof value !== 'number') return undefined
    const text = String(value)
      .replace(/\p{Cc}/gu, '')
      .trim()
    return text === '' || text.length > maxLength ? undefined : text
  }

  /** A finite number, also from text such as `"62.5"`. `undefined` if there is none, NaN if it is something else. */
  number(name: string): number | undefined {
    const value = this.get(name)
    if (value === undefined || value === null || value === '') return undefined
    if (typeof value === 'number') return Number.isFinite(value) ? value : Number.NaN
    if (typeof value !== 'string' || !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value))
      return Number.NaN
    return Number.isFinite(Number(value)) ? Number(value) : Number.NaN
  }
}
