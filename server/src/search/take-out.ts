/** What an auditor has found, as a file: CSV for spreadsheets, JSON Lines for programs. */
import { stringify } from 'csv-stringify/sync'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { chinaClock } from '../china-day.ts'
import { HubError } from '../errors.ts'

/** More is no page for a person any more: `audit export` takes out the whole record. */
export const MAX_ROWS = 20_000
const PAGE = 500

export const Format = Type.Unsafe<'csv' | 'jsonl'>(Type.Union([Type.Literal('csv'), Type.Literal('jsonl')]))

type Cell = string | number | undefined

/** All pages of a search. Throws HUB_SEARCH_TOO_LARGE. */
export async function allPages<Row>(
  page: (limit: number, before: string | undefined) => Promise<{ items: Row[]; next?: string }>,
): Promise<Row[]> {
  const rows: Row[] = []
  let before: string | undefined
  do {
    const { items, next } = await page(PAGE, before)
    rows.push(...items)
    before = next
    if (rows.length > MAX_ROWS || (before !== undefined && rows.length === MAX_ROWS)) {
      throw new HubError('HUB_SEARCH_TOO_LARGE', `more than ${MAX_ROWS} rows: narrow the search`)
    }
  } while (before !== undefined)
  return rows
}

/** Answers with a file of this name, without its ending. */
export function sendFile<Row>(
  reply: FastifyReply,
  options: {
    name: string
    format: 'csv' | 'jsonl'
    rows: readonly Row[]
    /** The columns of CSV, by their titles. */
    columns: Readonly<Record<string, (row: Row) => Cell>>
  },
): FastifyReply {
  const { name, format, rows, columns } = options
  reply.header('cache-control', 'no-store')
  reply.header('content-disposition', `attachment; filename="${name}.${format}"`)
  if (format === 'jsonl') {
    reply.type('application/x-ndjson; charset=utf-8')
    return reply.send(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  }
  const cells = rows.map((row) => Object.values(columns).map((cell) => cell(row) ?? ''))
  reply.type('text/csv; charset=utf-8')
  // Spreadsheets read UTF-8 by its mark, and a text that begins like a formula as one, unless it is escaped.
  return reply.send(stringify([Object.keys(columns), ...cells], { bom: true, escape_formulas: true }))
}

/** Time in the zone of China, as spreadsheets take it. */
export function timeCell(atMs: number | undefined): string {
  return atMs === undefined ? '' : chinaClock(atMs)
}
