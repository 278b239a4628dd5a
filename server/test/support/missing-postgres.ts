/** What a test file says when the package is not installed. */
import { expect, it } from 'vitest'

const PACKAGE_MISSING =
  'PostgreSQL is not installed: the external relational store is NOT tested (apt-get install postgresql)'

/** Says loudly that it is missing; in CI as a failed test. */
export function reportMissingPostgres(): void {
  if (process.env.CI) {
    it('PostgreSQL is installed', () => expect.fail(PACKAGE_MISSING))
    return
  }
  it.skip(PACKAGE_MISSING, () => {})
  const line = '!'.repeat(PACKAGE_MISSING.length)
  process.stderr.write(`\n${line}\n${PACKAGE_MISSING}\n${line}\n\n`)
}
