/** The short number that people call an incident by: yyyymmdd-nnnn, counted from 1 each day. */
import type { DbOrTransaction } from '../ports/relational.ts'

/** China has one time zone without summer time; the day begins at its midnight wherever the hub runs. */
const UTC_OFFSET_MS = 8 * 3_600_000
const SETTING = 'incident.last-number'

/** `20261122` for the day in China that holds this instant. */
export function dayOf(atMs: number): string {
  return new Date(atMs + UTC_OFFSET_MS).toISOString().slice(0, 10).replaceAll('-', '')
}

/**
 * The number after this one on this day; at least four digits, more on a day that needs them. A day that lies before
 * the last one (a clock that was set back) goes on counting in the last one: no number is given twice. Pure.
 */
export function numberAfter(last: string | undefined, day: string): string {
  const [lastDay = '', count = '0'] = last?.split('-') ?? []
  if (day > lastDay) return `${day}-0001`
  return `${lastDay}-${String(Number(count) + 1).padStart(4, '0')}`
}

/** Takes the next number inside the transaction that makes the incident: one that is rolled back is used again. */
export async function takeNumber(trx: DbOrTransaction, atMs: number): Promise<string> {
  const last = await trx.selectFrom('setting').select('value').where('name', '=', SETTING).executeTakeFirst()
  const value = numberAfter(last?.value, dayOf(atMs))
  await trx
    .insertInto('setting')
    .values({ name: SETTING, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
  return value
}
