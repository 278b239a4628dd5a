/** The short number that people call an incident by: yyyymmdd-nnnn, counted from 1 each day. */
import { dayOf } from '../china-day.ts'
import type { DbOrTransaction } from '../ports/relational.ts'

const SETTING = 'incident.last-number'

/**
 * The number after this one on this day; at least four digits, more on a day that needs them. A day that lies before
 * the last one (a clock that was set back) goes on counting in the last one: no number is given twice. Pure.
 */
export function numberAfter(last: string | undefined, day: string): string {
  const [lastDay = '', count = '0'] = last?.split('-') ?? []
  if (day > lastDay) return `${day}-0001`
  return `${lastDay}-${String(Number(count) + 1).padStart(4, '0')}`
}

/** Takes the next numbers inside the transaction that makes the incidents: what is rolled back is used again. */
export async function takeNumbers(trx: DbOrTransaction, atMs: number, count: number): Promise<string[]> {
  const last = await trx.selectFrom('setting').select('value').where('name', '=', SETTING).executeTakeFirst()
  const numbers: string[] = []
  for (let index = 0; index < count; index++) {
    numbers.push(numberAfter(numbers.at(-1) ?? last?.value, dayOf(atMs)))
  }
  const value = numbers.at(-1)
  if (value === undefined) return []
  await trx
    .insertInto('setting')
    .values({ name: SETTING, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
  return numbers
}
