/**
 * vtest.avi (PETS 2009, pedestrians) out of Debian's package opencv-doc: downloaded as a package and unpacked into a
 * cache, so no root is needed and nothing is installed.
 */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

const INSTALLED = '/usr/share/doc/opencv-doc/examples/data/vtest.avi'
const SHA256 = '45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf'
const DOWNLOAD_TIMEOUT_MS = 300_000

/**
 * Path of vtest.avi with the right content.
 * @throws Error saying what failed: no Debian, no network, another content
 */
export async function openCvClip(cache: string, onProgress?: (line: string) => void): Promise<string> {
  if (hasContent(INSTALLED)) return INSTALLED
  const file = join(cache, 'vtest.avi')
  if (hasContent(file)) return file
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'opencv-doc-'))
  try {
    onProgress?.("footage: downloading Debian's package opencv-doc for vtest.avi (96 MB, once)")
    await download(folder)
    const archive = readdirSync(folder).find((name) => name.endsWith('.deb'))
    if (archive === undefined) throw new Error('apt-get downloaded nothing')
    const unpacked = join(folder, 'vtest.avi')
    await unpack(join(folder, archive), unpacked)
    if (!hasContent(unpacked))
      throw new Error(`vtest.avi has SHA-256 ${hashOf(unpacked)}, expected ${SHA256}`)
    renameSync(unpacked, file)
    return file
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function hasContent(file: string): boolean {
  return existsSync(file) && hashOf(file) === SHA256
}

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

/** With the machine's package lists, else (none there, or too old) with lists of our own that no root is needed for. */
async function download(folder: string): Promise<void> {
  const options = { cwd: folder, timeout: DOWNLOAD_TIMEOUT_MS }
  // As root apt would drop to a user that cannot write here, and warn.
  const sandbox = process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : []
  try {
    await execute('apt-get', [...sandbox, 'download', 'opencv-doc'], options)
    return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error('apt-get was not found (not Debian)')
  }
  const lists = join(folder, 'lists')
  const packages = join(folder, 'cache')
  mkdirSync(join(lists, 'partial'), { recursive: true })
  mkdirSync(join(packages, 'archives', 'partial'), { recursive: true })
  const own = [...sandbox, '-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${packages}`]
  try {
    await execute('apt-get', [...own, 'update'], options)
    await execute('apt-get', [...own, 'download', 'opencv-doc'], options)
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    throw new Error((stderr || message).trim().split('\n').at(-1), { cause: error })
  }
}

/** Takes one file out of the package: dpkg-deb writes a tar archive, tar picks the file. */
async function unpack(archive: string, target: string): Promise<void> {
  const output = openSync(target, 'w')
  try {
    const dpkg = spawn('dpkg-deb', ['--fsys-tarfile', archive], { stdio: ['ignore', 'pipe', 'ignore'] })
    const tar = spawn('tar', ['-x', '-f', '-', '--to-stdout', `.${INSTALLED}`], {
      stdio: [dpkg.stdout, output, 'ignore'],
    })
    const ends = Promise.all([once(dpkg, 'exit'), once(tar, 'exit')])
    // tar holds the pipe now; ours would keep it open.
    dpkg.stdout.destroy()
    const [[dpkgCode], [tarCode]] = await ends
    if (dpkgCode !== 0 || tarCode !== 0) throw new Error(`${archive} holds no vtest.avi`)
  } finally {
    closeSync(output)
  }
}
