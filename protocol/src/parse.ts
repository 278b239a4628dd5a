/** Validation at the border: turns unknown input into a typed value or into problems that name the place. */
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: string[] }

const MAX_PROBLEMS = 8

/**
 * Compiles a schema once; the returned function checks a value and never changes it.
 * Problems read like `/records/3/boxes/0: must be array`, at most eight.
 */
export function parser<S extends TSchema>(schema: S): (input: unknown) => Parsed<Static<S>> {
  const compiled = Compile(schema)
  return (input) => {
    if (compiled.Check(input)) return { ok: true, value: input as Static<S> }
    const problems = [...compiled.Errors(input)]
      .slice(0, MAX_PROBLEMS)
      .map((error) => `${error.instancePath || '/'}: ${error.message}`)
    return { ok: false, problems: [...new Set(problems)] }
  }
}

/** As `parser`, from UTF-8 JSON text. Text that is not JSON is a problem at `/`. */
export function jsonParser<S extends TSchema>(schema: S): (text: string) => Parsed<Static<S>> {
  const parse = parser(schema)
  return (text) => {
    let input: unknown
    try {
      input = JSON.parse(text)
    } catch (error) {
      return { ok: false, problems: [`/: not JSON (${(error as Error).message})`] }
    }
    return parse(input)
  }
}
