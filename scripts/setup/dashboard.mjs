/** The dashboard: built by Vite when its sources have changed. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun } from './exec.mjs'
import { NODE, ROOT } from './paths.mjs'
import { step } from './progress.mjs'
import { hashOf, locked, readStamp, writeStamp } from './stamp.mjs'

const STAMP = 'dashboard'
const SOURCES = [
  'dashboard/src',
  'dashboard/public',
  'dashboard/index.html',
  'dashboard/vite.config.ts',
  'dashboard/package.json',
  'protocol/src',
  'package-lock.json',
]

/** Builds `dashboard/dist` unless it was made from exactly these sources. */
export async function ensureDashboard() {
  if (isReady()) return
  await locked(STAMP, async () => {
    if (isReady()) return
    // Taken before the build: a file that changes meanwhile makes the result stale, not silently right.
    const hash = hashOf(SOURCES)
    const cwd = join(ROOT, 'dashboard')
    await step('dashboard', 'building', () =>
      mustRun('The build of the dashboard', NODE, [viteFile(), 'build', '--logLevel', 'warn'], { cwd }),
    )
    writeStamp(STAMP, hash)
  })
}

function isReady() {
  return existsSync(join(ROOT, 'dashboard', 'dist', 'index.html')) && readStamp(STAMP) === hashOf(SOURCES)
}

/** npm puts it into the workspace's own folder when versions differ, else at the top. */
function viteFile() {
  const own = join(ROOT, 'dashboard', 'node_modules', 'vite', 'bin', 'vite.js')
  return existsSync(own) ? own : join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js')
}
