/** `npm run check` and `npm test`: format and lint, types, generated documents, then the tests; every step runs, one line sums up. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './exec.mjs'
import { CACHE, NODE, packageFile, ROOT } from './paths.mjs'
import { say, seconds } from './progress.mjs'
import { runProgram } from './run-program.mjs'

const STEPS = [
  { title: 'format and lint', args: [packageFile('@biomejs/biome/bin/biome'), 'check', '.'] },
  { title: 'types', args: [packageFile('typescript/bin/tsc'), '--noEmit', '-p', '.'] },
  {
    title: 'types of the dashboard',
    args: [packageFile('typescript/bin/tsc'), '--noEmit', '-p', 'dashboard'],
  },
  { title: 'generated documents', args: ['scripts/generate-docs.ts', '--check'] },
]
const REPORT = join(CACHE, 'test', 'vitest.json')

/**
 * @param {string[]} filters given to vitest; with any, only the tests run
 * @returns {Promise<number>} exit code
 */
export async function runChecks(filters) {
  const failed = []
  if (filters.length === 0) {
    for (const { title, args } of STEPS) {
      const beganMs = performance.now()
      const result = await run(NODE, args, { cwd: ROOT })
      const isGood = result.code === 0
      say(`[check] ${title}: ${isGood ? 'passed' : 'FAILED'} (${seconds(beganMs)})`)
      if (!isGood) {
        failed.push(title)
        process.stdout.write(`${result.output.trimEnd()}\n`)
      }
    }
  } else {
    say('[check] only the tests named are run; format, lint, types and documents are left out')
  }
  const tests = await runTests(filters)
  if (failed.length > 0) say(`[check] failed besides the tests: ${failed.join(', ')}`)
  // Each failed step counts as one failure, so that the line never claims more than was found.
  process.stdout.write(
    `${tests.passed} passed, ${tests.failed + failed.length} failed, ${tests.skipped} skipped\n`,
  )
  return tests.code === 0 && failed.length === 0 && tests.failed === 0 ? 0 : tests.code || 1
}

async function runTests(filters) {
  mkdirSync(join(CACHE, 'test'), { recursive: true })
  rmSync(REPORT, { force: true })
  const code = await runProgram(NODE, [
    packageFile('vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${REPORT}`,
    ...filters,
  ])
  try {
    const report = JSON.parse(readFileSync(REPORT, 'utf8'))
    // A file that could not even be loaded holds no test that could fail.
    const brokenFiles = report.testResults.filter(
      (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
    ).length
    return {
      code,
      passed: report.numPassedTests,
      failed: report.numFailedTests + brokenFiles,
      skipped: report.numPendingTests + (report.numTodoTests ?? 0),
    }
  } catch (error) {
    say(`[check] the tests left no report (${error.message})`)
    return { code: code || 1, passed: 0, failed: 1, skipped: 0 }
  }
}
