/**
 * Writes the reference pages and `.env.example` from the schemas and catalogues that the programs use.
 * `--check` writes nothing and fails if a file is stale.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { composeHub } from '../server/src/app.ts'
import { loadConfig } from '../server/src/config.ts'
import {
  apiPage,
  configPage,
  environmentExample,
  errorsPage,
  type OpenApi,
  permissionsPage,
  topicsPage,
} from './docs/pages.ts'

const ROOT = resolve(import.meta.dirname, '..')

/** Every generated file by its path in the repository. The interface is asked of a hub that never listens. */
export async function renderDocs(): Promise<Map<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'patrolhub-docs-'))
  // A dashboard that is built or not must make no difference.
  const env = { PATROLHUB_DATA_DIR: folder, PATROLHUB_DASHBOARD_DIR: folder }
  const hub = await composeHub(loadConfig({ env }), pino({ level: 'silent' }))
  try {
    const document = hub.app.swagger() as unknown as OpenApi
    return new Map([
      ['.env.example', environmentExample()],
      ['docs/ref/api.md', apiPage(document, hub.access.routeTable())],
      ['docs/ref/config.md', configPage()],
      ['docs/ref/errors.md', errorsPage()],
      ['docs/ref/permissions.md', permissionsPage()],
      ['docs/ref/topics.md', topicsPage()],
    ])
  } finally {
    await hub.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Paths of the generated files that are not as they should be. */
export async function staleDocs(): Promise<string[]> {
  const stale: string[] = []
  for (const [path, text] of await renderDocs()) {
    const written = await readFile(join(ROOT, path), 'utf8').catch(() => undefined)
    if (written !== text) stale.push(path)
  }
  return stale
}

async function main(): Promise<void> {
  if (process.argv.includes('--check')) {
    const stale = await staleDocs()
    if (stale.length === 0) return
    process.stderr.write(`stale: ${stale.join(', ')}; run npm run docs\n`)
    process.exitCode = 1
    return
  }
  for (const [path, text] of await renderDocs()) await writeFile(join(ROOT, path), text)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
