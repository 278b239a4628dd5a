/** Writes an exported package: a tar of the manifest, its signature, a word for its reader, and the clips. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Pack, pack } from 'tar-stream'
import type { ExportKey } from './export-key.ts'
import { type ExportManifest, MANIFEST, type PackedFile, SIGNATURE } from './manifest.ts'

export const README = 'README.txt'

/** How to check it, for whoever gets it. */
export const README_TEXT = `Exported by Patrolhub.

manifest.json says what this is: camera, time, who exported it and why, and the
SHA-256 of every file. manifest.sig is the Ed25519 signature (base64) over the
bytes of manifest.json. To check the package without a hub and without network:

    npm run hub -- export verify FILE.tar --key FINGERPRINT

Ask the centre for the fingerprint of its key (npm run hub -- export key); the
one in the manifest alone proves nothing about who made it.

本文件包由 Patrolhub 导出。manifest.json 说明摄像机、时间、导出人、理由以及每个文件的
SHA-256；manifest.sig 是对 manifest.json 的 Ed25519 签名。请向监控中心核对公钥指纹后，
用上面的命令离线校验。
`

export function readmeFile(): PackedFile {
  const bytes = Buffer.from(README_TEXT)
  return { name: README, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}

/**
 * Writes the package to `file`, whole or not at all; `pathOf` says where the files of the manifest lie, but for the
 * README. Answers its size and hash.
 */
export async function writePackage(
  file: string,
  manifest: ExportManifest,
  key: ExportKey,
  pathOf: (name: string) => string,
): Promise<{ bytes: number; sha256: string }> {
  const json = Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`)
  const tar = pack()
  const hash = createHash('sha256')
  let bytes = 0
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  const draft = `${file}.part`
  const written = pipeline(tar, count, createWriteStream(draft, { mode: 0o600, flush: true }))
  // Heard of below; until then it is nobody's.
  written.catch(() => undefined)
  try {
    const mtime = new Date(manifest.exportedAtMs)
    addText(tar, MANIFEST, json, mtime)
    addText(tar, SIGNATURE, Buffer.from(`${key.sign(json)}\n`), mtime)
    for (const { name, bytes: size } of manifest.files) {
      if (name === README) addText(tar, name, Buffer.from(README_TEXT), mtime)
      else await pipeline(createReadStream(pathOf(name)), tar.entry({ name, size, mode: 0o644, mtime }))
    }
    tar.finalize()
    await written
  } catch (error) {
    tar.destroy(error as Error)
    throw error
  }
  await rename(draft, file)
  await syncFolder(file)
  return { bytes, sha256: hash.digest('hex') }
}

function addText(tar: Pack, name: string, content: Buffer, mtime: Date): void {
  tar.entry({ name, mode: 0o644, mtime }, content)
}

async function syncFolder(file: string): Promise<void> {
  const handle = await open(file.slice(0, file.lastIndexOf('/')), 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
