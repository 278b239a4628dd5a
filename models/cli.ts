/** `npm run models -- prepare|list|verify`: the models of the catalogue on this machine. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ModelEntry } from '@patrolhub/protocol'
import { locateModelFile, modelFolders, readModelCatalogue } from '../edge/src/detect/model-file.ts'
import { EdgeError } from '../edge/src/errors.ts'
import { prepareModel } from './prepare.ts'
import { PrepareError } from './prepare-error.ts'
import { verifyModel } from './verify.ts'

const USAGE = `usage: npm run models -- COMMAND [ID…]

  prepare [--download]  make the models that need no internet beyond the npm registry; with --download
                        also fetch those that have an official release
  list                  what the catalogue has and where its files are
  verify                check the hash and the shapes of every model that is found

Without IDs, every model of the catalogue is meant.

environment
  PATROLHUB_MODELS      folders where models are looked for first, separated by ':'
  PATROLHUB_CACHE       folder for what is fetched and made (default: .cache in the repository)`

const repositoryRoot = join(import.meta.dirname, '..')
const cacheFolder = process.env.PATROLHUB_CACHE || join(repositoryRoot, '.cache')
const folders = modelFolders({
  repositoryRoot,
  modelsPath: process.env.PATROLHUB_MODELS,
  cachePath: process.env.PATROLHUB_CACHE,
})

/** Whether all that could be prepared are; one that fails does not keep the others from being prepared. */
async function prepare(entries: readonly ModelEntry[], mayDownload: boolean): Promise<boolean> {
  let isRight = true
  for (const entry of entries) {
    try {
      const path = await prepareModel(entry, { cacheFolder, mayDownload, say: console.log })
      if (path) continue
      const found = await locateModelFile(entry, folders)
      console.log(`${entry.id}: ${found ? `found at ${found}` : `not found; ${howToGet(entry)}`}`)
    } catch (error) {
      if (!isExpected(error)) throw error
      isRight = false
      console.error(`${entry.id}: ${describe(error)}`)
    }
  }
  return isRight
}

async function list(entries: readonly ModelEntry[]): Promise<void> {
  for (const entry of entries) {
    const path = await locateModelFile(entry, folders)
    console.log(`${entry.id}  (${entry.task}, ${entry.licence})  ${entry.title}`)
    console.log(`    ${path ?? `missing: ${howToGet(entry)}`}`)
  }
}

/** Whether all that were found are right and there is a detector among them. */
async function verify(entries: readonly ModelEntry[]): Promise<boolean> {
  let isRight = true
  const rightTasks = new Set<ModelEntry['task']>()
  for (const entry of entries) {
    const path = await locateModelFile(entry, folders)
    if (!path) {
      console.log(`${entry.id}: missing; ${howToGet(entry)}`)
      continue
    }
    try {
      await verifyModel({ entry, path })
      rightTasks.add(entry.task)
      console.log(`${entry.id}: ${path} is right`)
    } catch (error) {
      if (!isExpected(error)) throw error
      isRight = false
      console.error(`${entry.id}: ${describe(error)}`)
    }
  }
  for (const task of new Set(entries.map((entry) => entry.task))) {
    if (rightTasks.has(task)) continue
    isRight = false
    console.error(`no ${task} model can be used`)
  }
  return isRight
}

function howToGet(entry: ModelEntry): string {
  switch (entry.source.kind) {
    case 'npm-tarball':
      return 'npm run models -- prepare'
    case 'release':
      return 'npm run models -- prepare --download'
    case 'found':
      return `put ${entry.file} into a folder of PATROLHUB_MODELS`
    case 'repository':
      return `${entry.source.file} belongs to the repository: check it out again`
  }
}

function isExpected(error: unknown): error is EdgeError | PrepareError {
  return error instanceof EdgeError || error instanceof PrepareError
}

function describe(error: EdgeError | PrepareError): string {
  return error instanceof EdgeError ? `${error.code}: ${error.message}` : error.message
}

class UsageError extends Error {}

function readArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { download: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** The exit code. */
async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args)
  const [command, ...ids] = positionals
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  if (command !== 'prepare' && command !== 'list' && command !== 'verify')
    throw new UsageError(command ? `no such command: ${command}` : 'a command is missing')
  const catalogue = await readModelCatalogue(join(import.meta.dirname, 'catalogue.json'))
  const unknown = ids.filter((id) => !catalogue.models.some((entry) => entry.id === id))
  if (unknown.length > 0) throw new PrepareError(`the catalogue has no model called ${unknown.join(', ')}`)
  const entries = catalogue.models.filter((entry) => ids.length === 0 || ids.includes(entry.id))
  switch (command) {
    case 'list':
      await list(entries)
      return 0
    case 'prepare':
      return (await prepare(entries, values.download)) ? 0 : 1
    case 'verify':
      return (await verify(entries)) ? 0 : 1
  }
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (isExpected(error)) {
    console.error(describe(error))
    process.exitCode = 1
  } else if (error instanceof UsageError) {
    console.error(`${error.message}\n\n${USAGE}`)
    process.exitCode = 2
  } else throw error
}
