/** Times in the order and with the separators that a pattern of yyyy MM dd HH mm ss SSS says. */
import { offsetMinutes } from './pass-time.ts'

const TOKENS = ['yyyy', 'MM', 'dd', 'HH', 'mm', 'ss', 'SSS'] as const
type Token = (typeof TOKENS)[number]
const NEEDED: readonly Token[] = ['yyyy', 'MM', 'dd', 'HH', 'mm']

export class TimePattern {
  readonly #form: RegExp
  readonly #order: readonly Token[]

  private constructor(form: RegExp, order: readonly Token[]) {
    this.#form = form
    this.#order = order
  }

  /** `undefined` if a part that an instant needs is missing or comes twice. */
  static compile(pattern: string): TimePattern | undefined {
    const order: Token[] = []
    const form = pattern.replace(/yyyy|MM|dd|HH|mm|SSS|ss|[\s\S]/g, (piece) => {
      const token = TOKENS.find((each) => each === piece)
      if (!token) return piece.replace(/[$()*+.?[\\\]^{|}/-]/, '\\$&')
      order.push(token)
      return `(\\d{${token.length}})`
    })
    if (new Set(order).size !== order.length || NEEDED.some((token) => !order.includes(token)))
      return undefined
    return new TimePattern(new RegExp(`^${form}$`), order)
  }

  /** Milliseconds since 1970; `undefined` for text of another form and for days that the calendar does not have. */
  parse(text: string, timeZone: string): number | undefined {
    const match = this.#form.exec(text)
    if (!match) return undefined
    const part = (token: Token) => Number(match[this.#order.indexOf(token) + 1] ?? 0)
    const has = (token: Token) => (this.#order.includes(token) ? part(token) : 0)
    const [hour, minute, second] = [part('HH'), part('mm'), has('ss')]
    if (hour > 23 || minute > 59 || second > 59) return undefined
    const utcMs = Date.UTC(part('yyyy'), part('MM') - 1, part('dd'), hour, minute, second, has('SSS'))
    const date = new Date(utcMs)
    if (date.getUTCMonth() !== part('MM') - 1 || date.getUTCDate() !== part('dd')) return undefined
    return utcMs - offsetMinutes(timeZone) * 60_000
  }
}
