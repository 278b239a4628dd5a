/** Whether the data folder's disk has room: a store that answers questions may still be unable to take anything. */
import { statfs } from 'node:fs/promises'

/** Below this a checkpoint of the stores may fail. */
const NEEDED_BYTES = 8 * 1024 * 1024

/** Throws what to tell the engineer if there is too little. */
export async function needRoom(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const freeBytes = bavail * bsize
  if (freeBytes >= NEEDED_BYTES) return
  throw new Error(`no room on the disk of ${folder}: ${Math.floor(freeBytes / 1024)} KiB free`)
}
