/** Makes or fetches the models that do not ship in the repository, into a cache, each checked by its hash. */
import { createHash } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ModelEntry } from '@patrolhub/protocol'
import { verifyModelFile } from '../edge/src/detect/model-file.ts'
import { CONVERTERS } from './converters.ts'
import { download } from './download.ts'
import { fetchNpmTarball } from './npm-package.ts'
import { PrepareError } from './prepare-error.ts'
import { readTarball } from './tarball.ts'

type NpmTarball = Extract<ModelEntry['source'], { kind: 'npm-tarball' }>

export interface PrepareOptions {
  /** Where models and, while they are needed, packages are kept. */
  cacheFolder: string
  /** Whether the user asked for downloads from outside the registry. */
  mayDownload: boolean
  /** Shown to the user, one line each. */
  say: (line: string) => void
}

/**
 * Puts the model into `<cacheFolder>/models`, its licence beside it; instant when it is there. Returns its path, or
 * undefined for a model that is not made by us: one that ships in the repository, is only found on disk, or would
 * need a download that was not asked for. Throws PrepareError or EDGE_MODEL_HASH. What is in the cache is always whole.
 */
export async function prepareModel(entry: ModelEntry, options: PrepareOptions): Promise<string | undefined> {
  const { source } = entry
  if (source.kind === 'repository' || source.kind === 'found') return undefined
  if (source.kind === 'release' && !options.mayDownload) return undefined
  const path = join(options.cacheFolder, 'models', entry.file)
  const isThere = await verifyModelFile(entry, path).then(
    () => true,
    () => false,
  )
  if (isThere) {
    options.say(`${entry.id}: ready at ${path}`)
    return path
  }
  if (source.kind === 'release') await downloadModel(entry, source.url, path, options)
  else await convertModel(entry, source, path, options)
  return path
}

async function downloadModel(
  entry: ModelEntry,
  url: string,
  path: string,
  { say }: PrepareOptions,
): Promise<void> {
  say(`${entry.id}: downloading ${url}`)
  const startedAtMs = performance.now()
  const bytes = await download(url)
  checkMadeModel(entry, bytes, `the file at ${url}`)
  await writeWhole(path, bytes)
  say(`${entry.id}: ${megabytes(bytes)} in ${seconds(startedAtMs)}, ready at ${path}`)
}

async function convertModel(
  entry: ModelEntry,
  source: NpmTarball,
  path: string,
  { cacheFolder, say }: PrepareOptions,
): Promise<void> {
  const convert = CONVERTERS[source.converter]
  if (!convert) throw new PrepareError(`there is no converter called ${source.converter}`)
  say(`${entry.id}: fetching ${source.package}@${source.version} by npm`)
  const fetchedFromMs = performance.now()
  const tarball = await fetchNpmTarball(source, join(cacheFolder, 'packages'))
  say(`${entry.id}: ${megabytes(tarball)} in ${seconds(fetchedFromMs)}, SHA-512 is right`)

  const convertedFromMs = performance.now()
  const paths = source.files.map((file) => file.path)
  const files = readTarball(tarball, paths)
  for (const file of source.files) {
    const actual = sha256(files.get(file.path)!)
    if (actual !== file.sha256)
      throw new PrepareError(`${file.path} has SHA-256 ${actual}, the catalogue says ${file.sha256}`)
  }
  const description = `${entry.title}; converted from ${source.package} ${source.version}; licence ${entry.licence}`
  const model = convert(files, description)
  checkMadeModel(entry, model, `what the converter ${source.converter} made`)
  await writeWhole(path, model)
  const licence = paths.find((candidate) => basename(candidate) === 'LICENSE')
  if (licence) await writeWhole(join(dirname(path), `${entry.id}.LICENSE.txt`), files.get(licence)!)
  say(`${entry.id}: converted to ONNX, ${megabytes(model)} in ${seconds(convertedFromMs)}, ready at ${path}`)
}

/** A converter that was changed needs a new hash in the catalogue; a download with another hash is not the model. */
function checkMadeModel(entry: ModelEntry, bytes: Uint8Array, what: string): void {
  const actual = sha256(bytes)
  if (actual !== entry.sha256)
    throw new PrepareError(
      `${what} (${bytes.length} bytes) has SHA-256 ${actual}, the catalogue says ${entry.sha256}`,
    )
}

/** A reader never sees a half-written file, and two writers at once do no harm. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}.part`
  try {
    await writeFile(partial, bytes, { flush: true })
    await rename(partial, path)
  } finally {
    await rm(partial, { force: true })
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function megabytes(bytes: Uint8Array): string {
  return `${(bytes.length / 1e6).toFixed(1)} MB`
}

function seconds(startedAtMs: number): string {
  return `${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`
}
