/**
 * Finds model files and lets none through whose bytes are not those of the catalogue. A model is looked for under its
 * file name, in each folder and in the folder's sub-folder named for the model's id.
 */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { jsonParser, ModelCatalogue, type ModelEntry } from '@patrolhub/protocol'
import { EdgeError } from '../errors.ts'

const parseCatalogue = jsonParser(ModelCatalogue)

/** A model whose file was found and has the right hash. */
export interface LoadedModelInfo {
  entry: ModelEntry
  path: string
}

/** Reads `models/catalogue.json`. Throws EDGE_MODEL_CATALOGUE with every problem in `details`. */
export async function readModelCatalogue(path: string): Promise<ModelCatalogue> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new EdgeError('EDGE_MODEL_CATALOGUE', `cannot read the model catalogue ${path}`, { cause })
  }
  const parsed = parseCatalogue(text)
  if (!parsed.ok)
    throw new EdgeError(
      'EDGE_MODEL_CATALOGUE',
      `${path} is not a model catalogue: ${parsed.problems.join('; ')}`,
      {
        details: parsed.problems,
      },
    )
  return parsed.value
}

/**
 * Where models are looked for, in this order: the folders of `modelsPath` (the setting PATROLHUB_MODELS, separated
 * like PATH), `shared/assets/models` beside the checkout, `models` in the cache (the setting PATROLHUB_CACHE, by
 * default `.cache` in the repository), `models` in the repository.
 */
export function modelFolders(options: {
  repositoryRoot: string
  modelsPath?: string | undefined
  cachePath?: string | undefined
}): string[] {
  const { repositoryRoot, modelsPath = '', cachePath } = options
  return [
    ...modelsPath.split(delimiter).filter((folder) => folder !== ''),
    join(repositoryRoot, '..', 'shared', 'assets', 'models'),
    join(cachePath || join(repositoryRoot, '.cache'), 'models'),
    join(repositoryRoot, 'models'),
  ]
}

interface Search {
  /** An id of the catalogue, or `auto`: the first entry of the catalogue that is found. */
  wanted: string
  catalogue: ModelCatalogue
  folders: readonly string[]
}

/** `findModel` among the detectors. */
export function findDetectionModel(search: Search): Promise<LoadedModelInfo> {
  return findModel({ ...search, task: 'detection' })
}

/**
 * The model's file, its hash checked. Throws EDGE_MODEL_MISSING when there is none or the id is not in the catalogue,
 * and EDGE_MODEL_HASH when a file is found with other bytes than the catalogue's: it is not passed over, because
 * another model would then be used unnoticed.
 */
export async function findModel(search: Search & { task: ModelEntry['task'] }): Promise<LoadedModelInfo> {
  const { wanted, catalogue, folders, task } = search
  const ofTask = catalogue.models.filter((entry) => entry.task === task)
  const entries = wanted === 'auto' ? ofTask : ofTask.filter((entry) => entry.id === wanted)
  if (entries.length === 0) {
    const known = ofTask.map((entry) => entry.id).join(', ')
    throw new EdgeError(
      'EDGE_MODEL_MISSING',
      `no ${task} model is called ${wanted}; the catalogue has: ${known}`,
    )
  }
  for (const entry of entries) {
    const path = await locateModelFile(entry, folders)
    if (path === undefined) continue
    await verifyModelFile(entry, path)
    return { entry, path }
  }
  const files = entries.map((entry) => entry.file).join(', ')
  throw new EdgeError(
    'EDGE_MODEL_MISSING',
    `no model file (${files}) was found in ${folders.join(', ')}; run \`npm run models -- prepare\``,
    { details: folders.map((folder) => `searched ${folder}`) },
  )
}

/** The first place where a file of the entry's name lies; its content is not looked at. */
export async function locateModelFile(
  entry: Pick<ModelEntry, 'id' | 'file'>,
  folders: readonly string[],
): Promise<string | undefined> {
  for (const folder of folders)
    for (const path of [join(folder, entry.file), join(folder, entry.id, entry.file)])
      if ((await stat(path).catch(() => undefined))?.isFile()) return path
  return undefined
}

/** Throws EDGE_MODEL_HASH, naming the file and both hashes, when its bytes are not the catalogue's. */
export async function verifyModelFile(entry: ModelEntry, path: string): Promise<void> {
  await readModelFile({ entry, path })
}

/** The bytes of a model, checked at the moment of reading: what is verified is what will run. */
export async function readModelFile({ entry, path }: LoadedModelInfo): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new EdgeError('EDGE_MODEL_MISSING', `cannot read the model file ${path}`, { cause })
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  if (sha256 !== entry.sha256)
    throw new EdgeError(
      'EDGE_MODEL_HASH',
      `${path} (${bytes.length} bytes) is not the model ${entry.id}: its SHA-256 is ${sha256}, ` +
        `the catalogue says ${entry.sha256}; remove the file and fetch it again`,
    )
  return bytes
}
