/** Puts a backup into an empty data folder. Every byte is checked before the first is written, and again in its place. */
import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { HubConfig } from '../config.ts'
import { HubError } from '../errors.ts'
import { fingerprint, isEmptyFolder, type Manifest, readManifest } from './manifest.ts'

const MAX_DETAILS = 20

/**
 * Throws HUB_RESTORE if the target is not empty, the backup is incomplete or damaged, or the settings name another
 * engine than it was made with; nothing is written then.
 */
export async function restoreBackup(
  config: Pick<HubConfig, 'dataDir' | 'relational' | 'timeseries'>,
  from: string,
): Promise<Manifest> {
  const folder = resolve(from)
  const { dataDir } = config
  if (!(await isEmptyFolder(dataDir))) {
    throw new HubError(
      'HUB_RESTORE',
      `${dataDir} is not empty: a backup is restored into an empty folder only`,
    )
  }
  const manifest = await readManifest(folder)
  for (const store of ['relational', 'timeseries'] as const) {
    if (manifest[store].engine !== config[store]) {
      throw new HubError(
        'HUB_RESTORE',
        `the backup was made with ${manifest[store].engine}, the settings name ${config[store]}`,
      )
    }
  }
  await checkFiles(folder, manifest)
  // Beside its place first: a restore that is cut off must not look like a data folder.
  const partial = `${dataDir}.restoring`
  await mkdir(dirname(dataDir), { recursive: true })
  try {
    await mkdir(partial, { mode: 0o700 })
  } catch (error) {
    throw new HubError(
      'HUB_RESTORE',
      `${partial} cannot be made (left over from a restore that was cut off? then delete it): ${(error as Error).message}`,
      { cause: error },
    )
  }
  try {
    for (const { path } of manifest.files) {
      const target = join(partial, path)
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      await copyFile(join(folder, path), target)
      const handle = await open(target, 'r+')
      try {
        await handle.chmod(0o600)
        await handle.sync()
      } finally {
        await handle.close()
      }
    }
    await checkFiles(partial, manifest)
    await rm(dataDir, { recursive: true, force: true })
    await rename(partial, dataDir)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    if (error instanceof HubError) throw error
    throw new HubError('HUB_RESTORE', `${dataDir} cannot be written: ${(error as Error).message}`, {
      cause: error,
    })
  }
  return manifest
}

async function checkFiles(folder: string, manifest: Manifest): Promise<void> {
  const problems: string[] = []
  for (const { path, sha256, bytes } of manifest.files) {
    const found = await fingerprint(join(folder, path)).catch((error: Error) => error)
    if (found instanceof Error) problems.push(`${path}: ${found.message}`)
    else if (found.sha256 !== sha256)
      problems.push(`${path}: has ${found.bytes} bytes of ${bytes}, or others`)
  }
  if (problems.length === 0) return
  throw new HubError('HUB_RESTORE', `${problems.length} files in ${folder} are not what was backed up`, {
    details: problems.slice(0, MAX_DETAILS),
  })
}
