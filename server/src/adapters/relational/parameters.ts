/** What may stand behind a placeholder, the same on every engine. */
export type Parameter = string | number | bigint | null | Uint8Array

/**
 * Refuses what one of the engines would misread: node:sqlite takes an object such as a Date as *named* parameters and
 * then silently finds nothing, PostgreSQL's driver writes it in its own way. So everything that is not a plain value is
 * a fault of the caller. Throws TypeError that names the parameter and the statement.
 */
export function checkParameters(parameters: readonly unknown[], sql: string): readonly Parameter[] {
  for (const [index, value] of parameters.entries()) {
    const isPlain =
      value === null ||
      typeof value === 'string' ||
      typeof value === 'bigint' ||
      (typeof value === 'number' && !Number.isNaN(value)) ||
      value instanceof Uint8Array
    if (!isPlain) {
      const kind = typeof value === 'object' ? (value?.constructor?.name ?? 'object') : String(value)
      throw new TypeError(
        `parameter ${index + 1} is ${kind}: give text, a number, bytes or null (in: ${sql.slice(0, 200)})`,
      )
    }
  }
  return parameters as readonly Parameter[]
}
