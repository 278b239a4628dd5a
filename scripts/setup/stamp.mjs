/** Stamps say what a step of the set-up was made from, so that it is repeated only when that has changed. */
import { createHash } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { ROOT, STAMPS } from './paths.mjs'
import { say } from './progress.mjs'

/** SHA-256 over names and contents of files and whole folders (paths relative to the repository; missing ones count as such). */
export function hashOf(paths, extra = '') {
  const hash = createHash('sha256').update(extra)
  const add = (path) => {
    const name = relative(ROOT, path)
    let stat
    try {
      stat = statSync(path)
    } catch {
      hash.update(`\0missing ${name}`)
      return
    }
    if (stat.isDirectory()) {
      for (const entry of readdirSync(path).sort()) add(join(path, entry))
    } else {
      hash.update(`\0${name}\0`).update(readFileSync(path))
    }
  }
  for (const path of paths) add(join(ROOT, path))
  return hash.digest('hex')
}

export function readStamp(name) {
  try {
    return readFileSync(join(STAMPS, name), 'utf8')
  } catch {
    return undefined
  }
}

export function writeStamp(name, value) {
  mkdirSync(STAMPS, { recursive: true })
  writeFileSync(join(STAMPS, name), value)
}

const LOCK_POLL_MS = 200

/**
 * Does the work while no other process on this checkout does the same; a lock whose owner is gone is taken over.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 */
export async function locked(name, work) {
  mkdirSync(STAMPS, { recursive: true })
  const file = join(STAMPS, `${name}.lock`)
  let hasSaid = false
  for (;;) {
    try {
      const handle = openSync(file, 'wx')
      writeFileSync(handle, String(process.pid))
      closeSync(handle)
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      const owner = ownerOf(file)
      if (owner === 'gone') {
        rmSync(file, { force: true })
        continue
      }
      if (!hasSaid)
        say(`[setup] waiting for another process that is doing the same (${name}, process ${owner})`)
      hasSaid = true
      await new Promise((wake) => setTimeout(wake, LOCK_POLL_MS))
    }
  }
  const release = () => rmSync(file, { force: true })
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.off('exit', release)
    release()
  }
}

/** The process that holds a lock, `gone` if it no longer runs. A lock just being written counts as held. */
function ownerOf(file) {
  let pid
  try {
    pid = Number(readFileSync(file, 'utf8'))
    if (pid === 0) return Date.now() - statSync(file).mtimeMs > 5000 ? 'gone' : 'starting'
  } catch {
    return 'gone'
  }
  try {
    process.kill(pid, 0)
    return pid
  } catch (error) {
    return error.code === 'EPERM' ? pid : 'gone'
  }
}
