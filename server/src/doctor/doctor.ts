/**
 * Looks over a data folder, also while a hub runs on it, and changes nothing. Every finding is in order, worth knowing
 * or a problem; a problem says what to do.
 */
import { existsSync } from 'node:fs'
import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { HubConfig } from '../config.ts'
import { isHubRunning, readRunningHub } from '../data-folder.ts'
import { checkEvidence } from './check-evidence.ts'
import { checkRows } from './check-rows.ts'

export interface Finding {
  check: string
  level: 'ok' | 'note' | 'problem'
  message: string
  /** What to do about a problem. */
  advice?: string
}

export interface DoctorOptions {
  config: Pick<HubConfig, 'dataDir' | 'relational' | 'timeseries'>
  /** Hash every piece of evidence, not a sample. */
  isFull: boolean
}

const GIBIBYTE = 1024 ** 3
/** With less than this a hub soon stops taking records. */
const SCARCE_BYTES = GIBIBYTE
const OTHERS_BITS = 0o077

export async function examine({ config, isFull }: DoctorOptions): Promise<Finding[]> {
  const { dataDir } = config
  if (!existsSync(dataDir)) {
    const advice = 'name the folder with --data or PATROLHUB_DATA_DIR'
    return [{ check: 'folder', level: 'problem', message: `there is no ${dataDir}`, advice }]
  }
  const findings: Finding[] = []
  const look = async (check: string, work: () => Promise<Finding[]>) => {
    try {
      findings.push(...(await work()))
    } catch (error) {
      const message = `could not be looked at: ${(error as Error).message}`
      const advice = 'look at the disk and the permissions; if the file is damaged, restore a backup'
      findings.push({ check, level: 'problem', message, advice })
    }
  }
  const isRunning = isHubRunning(dataDir)
  findings.push({
    check: 'hub',
    level: isRunning ? 'note' : 'ok',
    message: isRunning
      ? `a hub runs on this folder (process ${readRunningHub(dataDir)?.pid ?? 'unknown'})`
      : 'no hub runs on this folder',
  })
  await look('permissions', () => checkPermissions(dataDir))
  await look('disk', () => checkDisk(dataDir))
  if (config.relational === 'sqlite') {
    const file = join(dataDir, 'hub.sqlite')
    if (!existsSync(file)) {
      const message = 'there is no hub.sqlite'
      const advice = 'if a hub has run here before, restore a backup; otherwise name the right folder'
      findings.push({ check: 'rows', level: 'problem', message, advice })
    } else {
      await look('rows', async () => {
        const database = new DatabaseSync(file, { readOnly: true })
        try {
          findings.push(...checkRows(database))
          return await checkEvidence(database, join(dataDir, 'evidence'), isFull)
        } finally {
          database.close()
        }
      })
    }
  } else {
    const message = "PostgreSQL and the evidence's rows are not looked at; `audit verify` checks the record"
    findings.push({ check: 'rows', level: 'note', message })
  }
  await look('points', () => checkPoints(config, isRunning))
  return findings
}

async function checkPermissions(dataDir: string): Promise<Finding[]> {
  const open: string[] = []
  const isOpen = async (path: string) => ((await stat(path)).mode & OTHERS_BITS) !== 0
  if (await isOpen(dataDir)) {
    open.push(dataDir)
    for (const name of await readdir(dataDir)) {
      const path = join(dataDir, name)
      if (await isOpen(path).catch(() => false)) open.push(path)
    }
  }
  if (open.length === 0) return [{ check: 'permissions', level: 'ok', message: 'only the owner may read' }]
  const message = `others on this machine may read: ${open.slice(0, 10).join(', ')}`
  return [{ check: 'permissions', level: 'problem', message, advice: `chmod -R go-rwx ${dataDir}` }]
}

async function checkDisk(dataDir: string): Promise<Finding[]> {
  const { bavail, bsize, ffree, files } = await statfs(dataDir)
  const freeBytes = bavail * bsize
  const message = `${(freeBytes / GIBIBYTE).toFixed(1)} GiB free`
  const advice = 'make room, or move the data folder to a larger disk: edges wait while a store is full'
  if (freeBytes < SCARCE_BYTES) return [{ check: 'disk', level: 'problem', message, advice }]
  if (files > 0 && ffree < 10_000) {
    return [{ check: 'disk', level: 'problem', message: `only ${ffree} files can be made`, advice }]
  }
  return [{ check: 'disk', level: 'ok', message }]
}

async function checkPoints(config: DoctorOptions['config'], isRunning: boolean): Promise<Finding[]> {
  const check = 'points'
  if (config.timeseries !== 'duckdb') {
    return [{ check, level: 'note', message: `${config.timeseries} is not looked at: use its own tools` }]
  }
  const file = join(config.dataDir, 'points.duckdb')
  if (isRunning) {
    return [{ check, level: 'note', message: 'held by the running hub; its /readyz says whether it works' }]
  }
  if (!existsSync(file)) return [{ check, level: 'note', message: 'there are none yet' }]
  const { checkDuckdb } = await import('../adapters/timeseries/duckdb-check.ts')
  return [{ check, level: 'ok', message: `${await checkDuckdb(file)} points, all readable` }]
}

/** One line a finding, and what to do below it. */
export function describeFindings(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ check, level, message, advice }) => [
    `${level.padEnd(8)}${check}: ${message}`,
    ...(advice === undefined ? [] : [`        → ${advice}`]),
  ])
  const problems = findings.filter(({ level }) => level === 'problem').length
  return `${[...lines, problems === 0 ? 'in order' : `problems: ${problems}`].join('\n')}\n`
}
