/**
 * A folder for one socket that only this user can reach. It is named after this process, so that what a killed
 * process left behind is found and removed by the next one.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PREFIX = 'patrolhub-capture-'
const NAME = new RegExp(`^${PREFIX}(\\d+)-`)

let cleaning: Promise<void> | undefined

/** Makes the folder; the caller removes it. The first call of a process also removes those of dead processes. */
export async function makeSocketFolder(): Promise<string> {
  cleaning ??= removeAbandoned()
  await cleaning
  return await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`))
}

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(NAME.exec(name)?.[1])
    if (!pid || isRunning(pid)) continue
    // Another user's folder cannot be removed and is not ours to care for.
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
