import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ModelEntry } from '@patrolhub/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findDetectionModel, modelFolders, readModelCatalogue, verifyModelFile } from './model-file.ts'

const BYTES = Buffer.from('the bytes of a model')

function entry(id: string, task: ModelEntry['task'] = 'detection'): ModelEntry {
  return {
    id,
    task,
    title: id,
    source: { kind: 'found', origin: 'a test' },
    licence: 'MIT',
    file: `${id}.onnx`,
    sha256: createHash('sha256').update(BYTES).digest('hex'),
    input: { name: 'images', layout: 'NCHW', shape: [1, 3, 32, 32] },
    outputs: [],
    decoder: 'yolox',
    classes: ['person'],
  }
}

const catalogue = { models: [entry('best'), entry('signals', 'signal'), entry('second')] }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-models-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('finding a model', () => {
  it('takes the first of the catalogue that is there, then the first folder', async () => {
    await mkdir(join(folder, 'later'))
    await writeFile(join(folder, 'later', 'second.onnx'), BYTES)
    const folders = [join(folder, 'absent'), folder, join(folder, 'later')]
    const search = { wanted: 'auto', catalogue, folders }
    expect((await findDetectionModel(search)).entry.id).toBe('second')
    await writeFile(join(folder, 'later', 'best.onnx'), BYTES)
    expect((await findDetectionModel(search)).path).toBe(join(folder, 'later', 'best.onnx'))
    await writeFile(join(folder, 'best.onnx'), BYTES)
    expect((await findDetectionModel(search)).path).toBe(join(folder, 'best.onnx'))
  })

  it('takes a model by its id, also from a folder named for it', async () => {
    await writeFile(join(folder, 'best.onnx'), BYTES)
    await mkdir(join(folder, 'second'))
    await writeFile(join(folder, 'second', 'second.onnx'), BYTES)
    const found = await findDetectionModel({ wanted: 'second', catalogue, folders: [folder] })
    expect(found).toEqual({ entry: catalogue.models[2], path: join(folder, 'second', 'second.onnx') })
  })

  it('says what is missing, where it looked and what to do', async () => {
    await writeFile(join(folder, 'signals.onnx'), BYTES)
    const search = findDetectionModel({ wanted: 'auto', catalogue, folders: [folder] })
    await expect(search).rejects.toMatchObject({
      code: 'EDGE_MODEL_MISSING',
      message: `no model file (best.onnx, second.onnx) was found in ${folder}; run \`npm run models -- prepare\``,
    })
  })

  it('says which models there are when the wanted one is not in the catalogue', async () => {
    await expect(
      findDetectionModel({ wanted: 'signals', catalogue, folders: [folder] }),
    ).rejects.toMatchObject({
      code: 'EDGE_MODEL_MISSING',
      message: 'no detection model is called signals; the catalogue has: best, second',
    })
  })

  it('refuses a file with other bytes instead of passing it over', async () => {
    await writeFile(join(folder, 'best.onnx'), BYTES.subarray(0, 10))
    await writeFile(join(folder, 'second.onnx'), BYTES)
    const search = findDetectionModel({ wanted: 'auto', catalogue, folders: [folder] })
    const actual = createHash('sha256').update(BYTES.subarray(0, 10)).digest('hex')
    await expect(search).rejects.toMatchObject({ code: 'EDGE_MODEL_HASH' })
    await expect(search).rejects.toThrow(join(folder, 'best.onnx'))
    await expect(search).rejects.toThrow(actual)
    await expect(search).rejects.toThrow(catalogue.models[0]!.sha256)
  })

  it('refuses a file that went away since', async () => {
    await expect(verifyModelFile(catalogue.models[0]!, join(folder, 'gone.onnx'))).rejects.toMatchObject({
      code: 'EDGE_MODEL_MISSING',
    })
  })
})

describe('the folders', () => {
  it('are searched in the documented order', () => {
    expect(modelFolders({ repositoryRoot: '/srv/hub', modelsPath: '/a::/b' })).toEqual([
      '/a',
      '/b',
      '/srv/shared/assets/models',
      '/srv/hub/.cache/models',
      '/srv/hub/models',
    ])
    expect(modelFolders({ repositoryRoot: '/srv/hub', cachePath: '/c' })).toContain('/c/models')
  })
})

describe('the catalogue', () => {
  it('is refused with every problem when it has another form', async () => {
    const path = join(folder, 'catalogue.json')
    await writeFile(path, JSON.stringify({ models: [{ ...entry('best'), sha256: 'x', licence: 1 }] }))
    const reading = readModelCatalogue(path)
    await expect(reading).rejects.toMatchObject({ code: 'EDGE_MODEL_CATALOGUE' })
    await expect(reading).rejects.toThrow('/models/0/sha256')
    await expect(reading).rejects.toThrow('/models/0/licence')
  })

  it('is refused when it is missing or no JSON', async () => {
    const path = join(folder, 'catalogue.json')
    await expect(readModelCatalogue(path)).rejects.toMatchObject({ code: 'EDGE_MODEL_CATALOGUE' })
    await writeFile(path, '{')
    await expect(readModelCatalogue(path)).rejects.toThrow('not JSON')
  })

  it('of the project has the recommended detector first and one that can always be made', async () => {
    const path = join(import.meta.dirname, '..', '..', '..', 'models', 'catalogue.json')
    const detectors = (await readModelCatalogue(path)).models.filter(({ task }) => task === 'detection')
    expect(detectors[0]!.id).toBe('yolox-nano')
    expect(detectors.some(({ source }) => source.kind === 'npm-tarball')).toBe(true)
    expect(new Set(detectors.map(({ file }) => file)).size).toBe(detectors.length)
  })
})
