/**
 * Copies everything that a hub keeps into an empty folder while the hub goes on. The order makes the parts fit: rows
 * first (one consistent moment), then points, then the evidence that these rows name. So every row has its points and
 * files; a few points may be younger than the rows, which does no harm, as they are taken for repeats when they come
 * again.
 */
import { constants } from 'node:fs'
import { chmod, copyFile, mkdir, open, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { backup as copySqlite, DatabaseSync } from 'node:sqlite'
import type { HubConfig } from '../config.ts'
import { HubError } from '../errors.ts'
import type { Relational } from '../ports/relational.ts'
import type { TimeSeries } from '../ports/timeseries.ts'
import { type BackedUpFile, fingerprint, isEmptyFolder, MANIFEST, type Manifest } from './manifest.ts'

export interface BackupDeps {
  config: Pick<HubConfig, 'dataDir' | 'relational' | 'timeseries'>
  relational: Relational
  timeseries: TimeSeries
  now?: () => number
}

/** Copied in one step: a source that is written to meanwhile would make SQLite begin again and again. */
const ALL_PAGES = 0x7fff_ffff
const EVIDENCE_PAGE = 1000
/** Not part of a backup: made anew by every start, copied in another way, or not meant to last (exports). */
const LEFT_OUT = /^(hub\.lock|hub\.json|hub\.sqlite|points\.duckdb|evidence|exports|lost\+found)(-|\.|$)/

/** Throws HUB_BACKUP if the folder is not empty or a part could not be copied; then there is no manifest in it. */
export async function writeBackup(deps: BackupDeps, to: string): Promise<Manifest> {
  const { config, timeseries, now = Date.now } = deps
  const folder = resolve(to)
  if (folder === config.dataDir || folder.startsWith(`${config.dataDir}/`)) {
    throw new HubError('HUB_BACKUP', `${folder} lies inside the data folder: name another`)
  }
  try {
    if (!(await isEmptyFolder(folder))) throw new HubError('HUB_BACKUP', `${folder} is not empty`)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const madeAtMs = now()
    const files: BackedUpFile[] = []
    const rows = config.relational === 'sqlite' ? await copyRows(config.dataDir, folder, files) : undefined
    const points = await copyPoints(timeseries, folder, files)
    const damaged = await copyEvidence(deps, folder, files)
    await copyRest(config.dataDir, folder, '', files)
    const manifest: Manifest = {
      format: 1,
      madeAtMs,
      relational: { engine: config.relational, isIncluded: rows !== undefined, rows: rows ?? {} },
      timeseries: {
        engine: config.timeseries,
        isIncluded: points !== undefined,
        points: points ?? 0,
      },
      files,
      damaged,
    }
    await writeFile(join(folder, MANIFEST), `${JSON.stringify(manifest, undefined, 1)}\n`, {
      mode: 0o600,
      flag: 'wx',
      flush: true,
    })
    return manifest
  } catch (error) {
    if (error instanceof HubError) throw error
    throw new HubError('HUB_BACKUP', `the backup to ${folder} failed: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** SQLite's own online copy, through a connection of its own; answers the rows of every table. */
async function copyRows(
  dataDir: string,
  folder: string,
  files: BackedUpFile[],
): Promise<Record<string, number>> {
  const copy = join(folder, 'hub.sqlite')
  const source = new DatabaseSync(join(dataDir, 'hub.sqlite'), { readOnly: true })
  try {
    await copySqlite(source, copy, { rate: ALL_PAGES })
  } finally {
    source.close()
  }
  const copied = new DatabaseSync(copy)
  const rows: Record<string, number> = {}
  try {
    // One file that can be read anywhere, without the companions of WAL.
    copied.exec('pragma journal_mode = delete')
    const tables = copied
      .prepare(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name",
      )
      .all() as { name: string }[]
    for (const { name } of tables) {
      const { count } = copied.prepare(`select count(*) as count from "${name}"`).get() as { count: number }
      rows[name] = count
    }
  } finally {
    copied.close()
  }
  await note(folder, 'hub.sqlite', files)
  return rows
}

async function copyPoints(
  timeseries: TimeSeries,
  folder: string,
  files: BackedUpFile[],
): Promise<number | undefined> {
  const points = await timeseries.copyTo?.(join(folder, 'points.duckdb'))
  if (points !== undefined) await note(folder, 'points.duckdb', files)
  return points
}

/** The files that the rows name, each checked after it was copied; what is damaged is told, and stops nothing. */
async function copyEvidence(
  { config, relational }: BackupDeps,
  folder: string,
  files: BackedUpFile[],
): Promise<Manifest['damaged']> {
  const damaged: Manifest['damaged'] = []
  const seen = new Set<string>()
  const isIncluded = config.relational === 'sqlite'
  const copied = isIncluded ? new DatabaseSync(join(folder, 'hub.sqlite'), { readOnly: true }) : undefined
  try {
    let after = ''
    for (;;) {
      const rows = copied
        ? (copied
            .prepare(
              `select evidence_id, sha256, bytes from evidence
               where evidence_id > ? and stored_at_ms is not null order by evidence_id limit ${EVIDENCE_PAGE}`,
            )
            .all(after) as unknown as { evidence_id: string; sha256: string; bytes: number }[])
        : await relational.read
            .selectFrom('evidence')
            .select(['evidence_id', 'sha256', 'bytes'])
            .where('evidence_id', '>', after)
            .where('stored_at_ms', 'is not', null)
            .orderBy('evidence_id')
            .limit(EVIDENCE_PAGE)
            .execute()
      for (const { evidence_id: evidenceId, sha256, bytes } of rows) {
        if (seen.has(sha256)) continue
        seen.add(sha256)
        const path = `evidence/${sha256.slice(0, 2)}/${sha256}`
        try {
          const found = await copyOne(config.dataDir, folder, path)
          if (found.sha256 === sha256 && found.bytes === bytes) files.push({ path, ...found })
          else damaged.push({ evidenceId, sha256, reason: `has hash ${found.sha256}, ${found.bytes} bytes` })
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
          damaged.push({ evidenceId, sha256, reason: 'is missing' })
        }
      }
      if (rows.length < EVIDENCE_PAGE) return damaged
      after = rows.at(-1)!.evidence_id
    }
  } finally {
    copied?.close()
  }
}

/** Everything else in the data folder: the secrets that the hub has made itself. */
async function copyRest(
  dataDir: string,
  folder: string,
  inside: string,
  files: BackedUpFile[],
): Promise<void> {
  for (const entry of await readdir(join(dataDir, inside), { withFileTypes: true })) {
    const path = inside === '' ? entry.name : `${inside}/${entry.name}`
    if (inside === '' && LEFT_OUT.test(entry.name)) continue
    if (entry.isDirectory()) await copyRest(dataDir, folder, path, files)
    else if (entry.isFile()) files.push({ path, ...(await copyOne(dataDir, folder, path)) })
  }
}

/** Copies and syncs; answers what the copy holds. */
async function copyOne(
  dataDir: string,
  folder: string,
  path: string,
): Promise<{ sha256: string; bytes: number }> {
  const target = join(folder, path)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  await copyFile(join(dataDir, path), target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  await chmod(target, 0o600)
  await sync(target)
  return fingerprint(target)
}

async function note(folder: string, path: string, files: BackedUpFile[]): Promise<void> {
  const target = join(folder, path)
  await chmod(target, 0o600)
  await sync(target)
  files.push({ path: basename(path), ...(await fingerprint(target)) })
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** For people: what is in it and what is not. */
export function describeBackup(manifest: Manifest, to: string): string {
  const { relational, timeseries, files, damaged } = manifest
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const lines = [`backup in ${resolve(to)}: ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB`]
  const rows = Object.values(relational.rows).reduce((sum, count) => sum + count, 0)
  lines.push(
    relational.isIncluded
      ? `rows: ${rows}`
      : 'rows: NOT included; back up PostgreSQL with its own tool (pg_dump) before you take this backup',
    timeseries.isIncluded
      ? `points: ${timeseries.points}`
      : 'points: NOT included; back up InfluxDB with its own tool (influx backup) after this backup',
    `evidence damaged or missing: ${damaged.length}`,
    ...damaged.slice(0, 20).map(({ evidenceId, reason }) => `  ${evidenceId} ${reason}`),
  )
  return `${lines.join('\n')}\n`
}
