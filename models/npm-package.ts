/** Fetches a package's tarball by the npm client, as it is configured on this machine. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { PrepareError } from './prepare-error.ts'

/** What is shown of npm's messages when it fails. */
const SHOWN_LINES = 6

export interface NpmPackage {
  package: string
  version: string
  /** Hexadecimal. */
  tarballSha512: string
}

/**
 * The bytes of the tarball, their hash checked. A tarball that lies in `folder` already (put there by hand where the
 * registry cannot be reached) is used if its hash is right; one that was fetched is removed again.
 * Throws PrepareError.
 */
export async function fetchNpmTarball(wanted: NpmPackage, folder: string): Promise<Uint8Array> {
  const path = join(folder, tarballName(wanted))
  const given = await readFile(path).catch(() => undefined)
  if (given && sha512(given) === wanted.tarballSha512) return given

  await mkdir(folder, { recursive: true })
  // A folder of its own, so that two that fetch at once do not take the file from each other.
  const own = await mkdtemp(join(folder, 'npm-'))
  let bytes: Uint8Array
  try {
    const specification = `${wanted.package}@${wanted.version}`
    const { exitCode, messages } = await runNpm([
      'pack',
      specification,
      '--pack-destination',
      own,
      '--ignore-scripts',
    ])
    if (exitCode !== 0)
      throw new PrepareError(
        `npm could not fetch ${specification} (exit code ${exitCode}):\n${messages}\n` +
          `Where no registry can be reached, put the tarball at ${path} and run this again.`,
      )
    bytes = await readFile(join(own, tarballName(wanted)))
  } finally {
    await rm(own, { recursive: true, force: true })
  }
  const actual = sha512(bytes)
  if (actual !== wanted.tarballSha512)
    throw new PrepareError(
      `${wanted.package}@${wanted.version} is not the package that the catalogue means: ` +
        `its SHA-512 is ${actual}, the catalogue says ${wanted.tarballSha512}`,
    )
  return bytes
}

/** npm's own name for a packed package: `@scope/name` becomes `scope-name`. */
function tarballName({ package: name, version }: NpmPackage): string {
  return `${name.replace('@', '').replace('/', '-')}-${version}.tgz`
}

async function runNpm(args: string[]): Promise<{ exitCode: number | string; messages: string }> {
  // Under `npm run`, npm says where it is itself; that one knows the user's settings.
  const ownPath = process.env.npm_execpath
  const [command, before] = ownPath?.endsWith('.js') ? [process.execPath, [ownPath]] : ['npm', []]
  const child = spawn(command, [...before, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })
  const [exitCode, stderr] = await Promise.all([ended, text(child.stderr)])
  const lines = stderr.trim().split('\n')
  const errors = lines.filter((line) => line.includes('error'))
  return { exitCode, messages: (errors.length > 0 ? errors : lines).slice(0, SHOWN_LINES).join('\n') }
}

function sha512(bytes: Uint8Array): string {
  return createHash('sha512').update(bytes).digest('hex')
}
