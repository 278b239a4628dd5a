/** Files that are there whole or not at all, whatever happens while they are written. */
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'

/** Writes a file whole or not at all: under another name, synced, renamed, and the folder synced. */
export async function writeDurably(folder: string, name: string, bytes: Buffer): Promise<void> {
  const path = join(folder, name)
  const temporary = `${path}.part`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  const directory = await open(folder, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
