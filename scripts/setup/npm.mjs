/** npm packages: installed by `npm ci` when the lock file has changed, checked in milliseconds when it has not. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, mustRun, run } from './exec.mjs'
import { NODE, ROOT } from './paths.mjs'
import { SetupError, step } from './progress.mjs'
import { hashOf, locked, readStamp, writeStamp } from './stamp.mjs'

const STAMP = 'npm-packages'
const SOURCES = [
  'package-lock.json',
  'package.json',
  '.npmrc',
  'protocol/package.json',
  'server/package.json',
  'edge/package.json',
  'dashboard/package.json',
]

/** Makes sure that node_modules is what package-lock.json says and that Node 24 is in it. */
export async function ensurePackages() {
  if (isReady()) return
  await locked(STAMP, async () => {
    if (isReady()) return
    if (!matchesLockFile()) await install()
    await checkNode()
    writeStamp(STAMP, currentHash())
  })
}

function currentHash() {
  return hashOf(SOURCES, `${process.platform} ${process.arch}`)
}

function isReady() {
  return existsSync(NODE) && existsSync(hiddenLockFile()) && readStamp(STAMP) === currentHash()
}

function hiddenLockFile() {
  return join(ROOT, 'node_modules', '.package-lock.json')
}

/**
 * True if what npm wrote down of node_modules is what the lock file asks for: somebody has installed by hand, and
 * there is no reason to do it again. Packages for other platforms are not there.
 */
function matchesLockFile() {
  if (!existsSync(NODE)) return false
  try {
    const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages
    const present = JSON.parse(readFileSync(hiddenLockFile(), 'utf8')).packages
    return Object.entries(wanted).every(([path, entry]) => {
      if (path === '' || entry.optional || entry.devOptional || !path.includes('node_modules/')) return true
      const found = present[path]
      if (found === undefined || !existsSync(join(ROOT, path))) return false
      return entry.link === true ? found.link === true : found.version === entry.version
    })
  } catch {
    return false
  }
}

async function install() {
  const npm = npmCommand()
  const modules = join(ROOT, 'node_modules')
  const count = () => (existsSync(modules) ? `${readdirSync(modules).length} folders` : '')
  await step(
    'npm packages',
    'installing (npm ci)',
    () =>
      mustRun('npm ci', npm.command, [...npm.args, 'ci', '--no-progress'], { cwd: ROOT, env: environment() }),
    count,
  )
}

/** The npm that started us, else the one on the PATH. */
function npmCommand() {
  const started = process.env.npm_execpath
  if (started !== undefined && /npm-cli\.(c?js|mjs)$/.test(started) && existsSync(started)) {
    return { command: process.execPath, args: [started] }
  }
  if (findProgram('npm') === undefined) {
    throw new SetupError('npm was not found: install Node.js 20 or newer with npm (Debian: nodejs npm).')
  }
  return { command: 'npm', args: [] }
}

/** Development packages are needed (vite, converter), and the package `node` has to run its own install script. */
function environment() {
  const env = { ...process.env }
  for (const name of ['NODE_ENV', 'npm_config_omit', 'npm_config_production', 'npm_config_ignore_scripts']) {
    delete env[name]
  }
  return { ...env, npm_config_ignore_scripts: 'false', npm_config_omit: '' }
}

async function checkNode() {
  const version = await run(NODE, ['--version'])
  if (version.code !== 0 || !/^v2[4-9]\./.test(version.output)) {
    throw new SetupError(
      `Node 24 is missing from ${NODE} (${version.output.trim() || 'no answer'}): the install script of the npm package "node" ` +
        'did not run. Delete node_modules and try again; if npm is told to ignore scripts, allow those of "node".',
    )
  }
}
