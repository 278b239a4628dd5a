/** Where things lie in the repository. */
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
/** What may be deleted at any time and is made again: stamps, converted models, footage. */
export const CACHE = join(ROOT, '.cache')
export const STAMPS = join(CACHE, 'setup')
const WINDOWS = process.platform === 'win32'
/** Node 24, from the npm package `node`. */
export const NODE = join(ROOT, 'node_modules', 'node', 'bin', WINDOWS ? 'node.exe' : 'node')

/** The JavaScript file behind a command of an npm package, to be run by NODE. */
export function packageFile(path) {
  return join(ROOT, 'node_modules', path)
}
