/** Secrets that the hub makes itself, each a file that only its owner reads. */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs'

/** The secret in the file, made on first use. Two that make it at once get the same one. */
export function secretIn(file: string, make: () => string): string {
  if (!existsSync(file)) {
    const draft = `${file}.${randomBytes(6).toString('hex')}`
    writeSecret(draft, make())
    try {
      linkSync(draft, file)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      unlinkSync(draft)
    }
  }
  return readFileSync(file, 'utf8').trim()
}

/** Writes a new file and waits until it is on the disk. Throws EEXIST if there is one. */
export function writeSecret(file: string, secret: string): void {
  const handle = openSync(file, 'wx', 0o600)
  try {
    writeSync(handle, `${secret.trim()}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
