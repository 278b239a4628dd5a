/** The doctor finds what has been broken by hand, says what to do, and changes nothing. */

import { createHash, randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDuckdb } from '../src/adapters/timeseries/duckdb.ts'
import { examine, type Finding } from '../src/doctor/doctor.ts'
import { REGION } from './support/edge-client.ts'
import { createEdge, freshFolder, runMain, silent, startHubProcess, testEnv } from './support/hub.ts'

let root: string
let dataDir: string

beforeEach(async () => {
  root = await freshFolder()
  dataDir = join(root, 'hub')
  await createEdge(dataDir, 'edge-01', REGION)
  await chmod(dataDir, 0o700)
  await (await openDuckdb({ file: join(dataDir, 'points.duckdb'), log: silent })).close()
})
afterEach(() => rm(root, { recursive: true, force: true }))

const look = () => examine({ config: { dataDir, relational: 'sqlite', timeseries: 'duckdb' }, isFull: true })
/** The small disk of a test machine is not the matter here. */
const problems = (findings: readonly Finding[]) =>
  findings.filter(({ level, check }) => level === 'problem' && check !== 'disk')

function change(sql: string, ...values: (string | number)[]): void {
  const database = new DatabaseSync(join(dataDir, 'hub.sqlite'))
  database.prepare(sql).run(...values)
  database.close()
}

async function addEvidence(): Promise<string> {
  const bytes = Buffer.from(randomUUID())
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const folder = join(dataDir, 'evidence', sha256.slice(0, 2))
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(join(folder, sha256), bytes, { mode: 0o600 })
  change(
    `insert into evidence (evidence_id, region, role, mime, sha256, bytes, at_ms, stored_at_ms)
     values (?, ?, 'photo', 'image/jpeg', ?, ?, 1, 1)`,
    randomUUID(),
    REGION,
    sha256,
    bytes.length,
  )
  return join(folder, sha256)
}

describe('the doctor', { timeout: 30_000 }, () => {
  it('finds a folder in order, beside a running hub too', async () => {
    await addEvidence()
    expect(problems(await look())).toEqual([])
    const hub = await startHubProcess(testEnv(dataDir))
    try {
      const findings = await look()
      expect(problems(findings)).toEqual([])
      expect(findings.find(({ check }) => check === 'hub')?.message).toContain(`process ${hub.child.pid}`)
    } finally {
      await hub.stop('SIGKILL')
    }
  })

  it('names evidence that is missing, cut or changed, and files that no row names', async () => {
    const [missing, cut, changed] = [await addEvidence(), await addEvidence(), await addEvidence()]
    await rm(missing)
    await writeFile(cut, 'x')
    await writeFile(changed, randomUUID())
    const [found, ...others] = problems(await look())
    expect(others).toEqual([])
    for (const text of ['is missing', 'has 1 bytes', 'has other content'])
      expect(found?.message).toContain(text)
    await writeFile(join(dataDir, 'evidence', changed.split('/').at(-2)!, 'f'.repeat(64)), 'x')
    expect((await look()).map(({ message }) => message).join()).toContain('1 files that no row names')
  })

  it('names a changed record, a newer version, open permissions and damaged stores', async () => {
    change("update audit set action = 'nothing' where seq = 1")
    expect(problems(await look())).toMatchObject([
      { check: 'record', message: expect.stringContaining('entry 1 has been changed') },
    ])
    change("insert into schema_migration (name, timestamp) values ('999-later', 'now')")
    expect(problems(await look()).map(({ check }) => check)).toContain('version')
    await chmod(dataDir, 0o755)
    expect(problems(await look()).map(({ check }) => check)).toContain('permissions')
    await writeFile(join(dataDir, 'points.duckdb'), 'no database')
    expect(problems(await look()).map(({ check }) => check)).toContain('points')
    const file = join(dataDir, 'hub.sqlite')
    const bytes = await readFile(file)
    await writeFile(file, bytes.fill(0x5a, 4096, 3 * 4096))
    expect(problems(await look()).map(({ check }) => check)).toContain('rows')
    const { code, stdout } = await runMain(['doctor', '--json', '--data', dataDir], testEnv(root))
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ isGood: false })
    const nowhere = await runMain(['doctor', '--data', join(root, 'nowhere')], testEnv(root))
    expect([nowhere.code, nowhere.stdout]).toEqual([1, expect.stringContaining('there is no')])
  })
})
