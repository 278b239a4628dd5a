/** `npm run models` as a user runs it: real processes, the real npm client, a real HTTP server. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ModelEntry } from '@patrolhub/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readModelCatalogue } from '../../edge/src/detect/model-file.ts'
import { fetchNpmTarball } from '../npm-package.ts'
import { prepareModel } from '../prepare.ts'

const CLI = join(import.meta.dirname, '..', 'cli.ts')
const run = promisify(execFile)
/** Nothing listens on port 1, so this registry is refused at once. */
const NO_REGISTRY = { npm_config_registry: 'http://127.0.0.1:1/', npm_config_fetch_retries: '0' }

let centernet: ModelEntry
let yolox: ModelEntry
/** The package's tarball, fetched once. */
let tarballFolder: string
let cache: string

beforeAll(async () => {
  const { models } = await readModelCatalogue(join(import.meta.dirname, '..', 'catalogue.json'))
  centernet = models.find(({ id }) => id === 'centernet')!
  yolox = models.find(({ id }) => id === 'yolox-nano-416')!
  tarballFolder = await mkdtemp(join(tmpdir(), 'patrolhub-package-'))
  if (centernet.source.kind !== 'npm-tarball') throw new Error('centernet comes from a tarball')
  const tarball = await fetchNpmTarball(centernet.source, tarballFolder)
  await writeFile(join(tarballFolder, 'vladmandic-human-3.3.6.tgz'), tarball)
})
afterAll(() => rm(tarballFolder, { recursive: true }))

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'patrolhub-cache-'))
})
afterEach(() => rm(cache, { recursive: true }))

interface Ended {
  exitCode: number
  stdout: string
  stderr: string
}

async function models(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  // A fresh npm cache, so that npm cannot answer from what it fetched before.
  const npmCache = env.npm_config_registry ? { npm_config_cache: join(cache, 'npm') } : {}
  const environment = { ...process.env, PATROLHUB_MODELS: '', PATROLHUB_CACHE: cache, ...env, ...npmCache }
  try {
    return { exitCode: 0, ...(await run(process.execPath, [CLI, ...args], { env: environment })) }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { exitCode: code, stdout, stderr }
  }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('models prepare', () => {
  it('makes the default detector with its licence, leaves nothing else, and is instant the second time', async () => {
    const first = await models(['prepare', 'centernet'])
    expect(first).toMatchObject({ exitCode: 0, stderr: '' })
    expect(first.stdout).toMatch(/converted to ONNX, 8\.\d MB in \d+\.\d s/)
    const files = await readdir(join(cache, 'models'))
    expect(files.toSorted()).toEqual(['centernet.LICENSE.txt', 'centernet.onnx'])
    expect(await readdir(join(cache, 'packages'))).toEqual([])
    expect(await readFile(join(cache, 'models', 'centernet.LICENSE.txt'), 'utf8')).toContain('MIT License')
    expect(sha256(await readFile(join(cache, 'models', 'centernet.onnx')))).toBe(centernet.sha256)

    const second = await models(['prepare', 'centernet'], NO_REGISTRY)
    expect(second).toMatchObject({ exitCode: 0, stderr: '' })
    expect(second.stdout).toContain('centernet: ready at')
    expect((await models(['verify', 'centernet'])).stdout).toContain('is right')
  })

  it('says what to do where no registry can be reached, and does it', async () => {
    const offline = await models(['prepare', 'centernet'], NO_REGISTRY)
    expect(offline.exitCode).toBe(1)
    expect(offline.stderr).toContain('npm could not fetch @vladmandic/human@3.3.6')
    const path = join(cache, 'packages', 'vladmandic-human-3.3.6.tgz')
    expect(offline.stderr).toContain(`put the tarball at ${path}`)

    await copyFile(join(tarballFolder, 'vladmandic-human-3.3.6.tgz'), path)
    expect(await models(['prepare', 'centernet'], NO_REGISTRY)).toMatchObject({ exitCode: 0, stderr: '' })
  })

  it('lets two fetch the same package at once', async () => {
    if (centernet.source.kind !== 'npm-tarball') throw new Error('centernet comes from a tarball')
    const { source } = centernet
    const tarballs = await Promise.all([fetchNpmTarball(source, cache), fetchNpmTarball(source, cache)])
    expect(tarballs.map(({ length }) => length > 1e6)).toEqual([true, true])
    expect(await readdir(cache)).toEqual([])
  })

  it('replaces a damaged file in the cache', async () => {
    await mkdir(join(cache, 'packages'), { recursive: true })
    await mkdir(join(cache, 'models'))
    await copyFile(
      join(tarballFolder, 'vladmandic-human-3.3.6.tgz'),
      join(cache, 'packages', 'vladmandic-human-3.3.6.tgz'),
    )
    await writeFile(join(cache, 'models', 'centernet.onnx'), 'half a model')
    expect((await models(['prepare', 'centernet'])).exitCode).toBe(0)
    expect(sha256(await readFile(join(cache, 'models', 'centernet.onnx')))).toBe(centernet.sha256)
  })

  it('refuses a tarball that is not the one of the catalogue', async () => {
    if (centernet.source.kind !== 'npm-tarball') throw new Error('centernet comes from a tarball')
    const source = { ...centernet.source, tarballSha512: '0'.repeat(128) }
    const preparing = prepareModel(
      { ...centernet, source },
      { cacheFolder: cache, mayDownload: false, say: () => {} },
    )
    await expect(preparing).rejects.toThrow(centernet.source.tarballSha512)
    await expect(preparing).rejects.toThrow('0'.repeat(128))
  })

  it('refuses what the converter makes when the catalogue says another hash', async () => {
    const entry = { ...centernet, sha256: 'f'.repeat(64) }
    const preparing = prepareModel(entry, { cacheFolder: cache, mayDownload: false, say: () => {} })
    await expect(preparing).rejects.toThrow(centernet.sha256)
    await expect(preparing).rejects.toThrow('f'.repeat(64))
    expect(await readdir(cache)).toEqual(['packages'])
  })
})

describe('models prepare --download', () => {
  const BYTES = Buffer.from('an official model')
  let server: Server
  let address: string

  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/model.onnx') response.end(BYTES)
      else response.writeHead(404).end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => {
    server.close()
    server.closeAllConnections()
  })

  function download(path: string, hash: string, mayDownload = true) {
    const entry: ModelEntry = {
      ...yolox,
      sha256: hash,
      source: { kind: 'release', url: `${address}${path}` },
    }
    return prepareModel(entry, { cacheFolder: cache, mayDownload, say: () => {} })
  }

  it('fetches a file with the right hash, and only on command', async () => {
    expect(await download('/model.onnx', sha256(BYTES), false)).toBeUndefined()
    const path = await download('/model.onnx', sha256(BYTES))
    expect(path).toBe(join(cache, 'models', yolox.file))
    expect(Buffer.compare(await readFile(path!), BYTES)).toBe(0)
  })

  it('refuses a file with another hash, names both and keeps nothing', async () => {
    const downloading = download('/model.onnx', 'a'.repeat(64))
    await expect(downloading).rejects.toThrow(sha256(BYTES))
    await expect(downloading).rejects.toThrow('a'.repeat(64))
    expect(await readdir(cache)).toEqual([])
  })

  it('says what failed and what else can be done', async () => {
    await expect(download('/other.onnx', sha256(BYTES))).rejects.toThrow('HTTP status 404')
    await expect(download('/other.onnx', sha256(BYTES))).rejects.toThrow('PATROLHUB_MODELS')
  })
})

describe('models verify and list', () => {
  it('names a cut file with both hashes and fails', async () => {
    await writeFile(join(cache, 'centernet.onnx'), 'half a model')
    const { exitCode, stderr } = await models(['verify', 'centernet'], { PATROLHUB_MODELS: cache })
    expect(exitCode).toBe(1)
    expect(stderr).toContain('EDGE_MODEL_HASH')
    for (const part of [join(cache, 'centernet.onnx'), sha256(Buffer.from('half a model')), centernet.sha256])
      expect(stderr).toContain(part)
  })

  it('says how to get what is missing', async () => {
    const { stdout } = await models(['list', 'centernet', 'yolox-nano-416'])
    expect(stdout).toMatch(/centernet .*\n.*missing: npm run models -- prepare\n/)
    expect(stdout).toContain('prepare --download')
    expect((await models(['verify', 'centernet'])).exitCode).toBe(1)
  })

  it.each([[['fly']], [[]], [['list', '--fast']]])(
    'answers wrong arguments %j with the usage',
    async (args) => {
      const { exitCode, stderr } = await models(args)
      expect(exitCode).toBe(2)
      expect(stderr).toContain('usage: npm run models')
    },
  )

  it('names an unknown model', async () => {
    const { exitCode, stderr } = await models(['list', 'dragon'])
    expect(exitCode).toBe(1)
    expect(stderr).toContain('dragon')
  })
})
