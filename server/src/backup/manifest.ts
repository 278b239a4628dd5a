/** What a backup says about itself. It is written last: a folder without it is no backup. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { isAbsolute, join, normalize } from 'node:path'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { HubError } from '../errors.ts'

export const MANIFEST = 'manifest.json'

const BackedUpFile = Type.Object({
  /** Inside the backup, with `/`; the same as inside the data folder. */
  path: Type.String({ minLength: 1 }),
  bytes: Type.Integer({ minimum: 0 }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
})
export type BackedUpFile = Static<typeof BackedUpFile>

export const Manifest = Type.Object({
  format: Type.Literal(1),
  madeAtMs: Type.Integer(),
  relational: Type.Object({
    engine: Type.String(),
    /** False for an engine that has to be backed up by its own tool. */
    isIncluded: Type.Boolean(),
    rows: Type.Record(Type.String(), Type.Integer()),
  }),
  timeseries: Type.Object({
    engine: Type.String(),
    isIncluded: Type.Boolean(),
    points: Type.Integer(),
  }),
  files: Type.Array(BackedUpFile),
  /** Evidence that the store says it has and whose file was missing or damaged. */
  damaged: Type.Array(
    Type.Object({ evidenceId: Type.String(), sha256: Type.String(), reason: Type.String() }),
  ),
})
export type Manifest = Static<typeof Manifest>

/** Throws HUB_RESTORE if there is none, or if it is not one of ours. */
export async function readManifest(folder: string): Promise<Manifest> {
  let content: unknown
  try {
    content = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8'))
  } catch (error) {
    throw new HubError('HUB_RESTORE', `${folder} holds no complete backup: ${(error as Error).message}`, {
      cause: error,
    })
  }
  if (!Value.Check(Manifest, content)) {
    const details = [...Value.Errors(Manifest, content)]
      .slice(0, 20)
      .map(({ instancePath, message }) => `${instancePath}: ${message}`)
    throw new HubError('HUB_RESTORE', `${MANIFEST} in ${folder} does not fit`, { details })
  }
  for (const { path } of content.files) {
    if (isAbsolute(path) || normalize(path) !== path || path.startsWith('..')) {
      throw new HubError('HUB_RESTORE', `${MANIFEST} names a file outside the backup: ${path}`)
    }
  }
  return content
}

/** SHA-256 and size of a file's bytes as they are on the disk now. */
export async function fingerprint(path: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    hash.update(chunk as Buffer)
    bytes += (chunk as Buffer).length
  }
  return { sha256: hash.digest('hex'), bytes }
}

/** True if there is nothing in it, or no such folder. */
export async function isEmptyFolder(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).length === 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw error
  }
}
