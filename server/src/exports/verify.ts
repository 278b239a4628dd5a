/**
 * Checks an exported package without database and network, and names the first thing that is wrong. What it proves: that
 * the files are those that the holder of the key signed. Who that is, the fingerprint tells, which has to come from the
 * centre in another way than with the package.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { jsonParser } from '@patrolhub/protocol'
import { extract } from 'tar-stream'
import { fingerprintOf, isSignedBy } from './export-key.ts'
import { ExportManifest, MANIFEST, MAX_MANIFEST_BYTES, SIGNATURE } from './manifest.ts'

export type ExportCheck = { ok: true; manifest: ExportManifest } | { ok: false; reason: string }

class Wrong extends Error {}

const parseManifest = jsonParser(ExportManifest)

/** `fingerprint`: of the key that it has to be signed with; any key without it. Rejects if the file cannot be read. */
export async function verifyExport(file: string, fingerprint?: string): Promise<ExportCheck> {
  const entries = extract()
  const source = createReadStream(file)
  let unreadable: Error | undefined
  source.once('error', (error) => {
    unreadable = error
    entries.destroy(error)
  })
  source.pipe(entries)
  let manifestBytes: Buffer | undefined
  let manifest: ExportManifest | undefined
  const missing = new Map<string, { bytes: number; sha256: string }>()
  try {
    for await (const entry of entries) {
      const { name, type } = entry.header
      if (type !== 'file') throw new Wrong(`${name} is a ${type}, not a file`)
      if (manifestBytes === undefined) {
        if (name !== MANIFEST) throw new Wrong(`it begins with ${name} instead of ${MANIFEST}`)
        manifestBytes = await small(entry, name)
      } else if (manifest === undefined) {
        if (name !== SIGNATURE) throw new Wrong(`${name} comes before ${SIGNATURE}`)
        manifest = signed(manifestBytes, (await small(entry, name)).toString('latin1'), fingerprint)
        for (const { name: listed, bytes, sha256 } of manifest.files) missing.set(listed, { bytes, sha256 })
      } else {
        const expected = missing.get(name)
        if (!expected) throw new Wrong(`${name} is not in the manifest, or is there twice`)
        missing.delete(name)
        const found = await contentOf(entry)
        if (found.bytes !== expected.bytes) {
          throw new Wrong(`${name} has ${found.bytes} bytes; the manifest says ${expected.bytes}`)
        }
        if (found.sha256 !== expected.sha256) {
          throw new Wrong(`${name} has been changed: its hash is ${found.sha256}, not ${expected.sha256}`)
        }
      }
    }
  } catch (error) {
    if (unreadable) throw unreadable
    const reason =
      error instanceof Wrong ? error.message : `the package is damaged: ${(error as Error).message}`
    return { ok: false, reason }
  } finally {
    source.destroy()
  }
  if (!manifest) return { ok: false, reason: manifestBytes ? `${SIGNATURE} is missing` : 'it is no package' }
  const [first] = missing.keys()
  return first === undefined ? { ok: true, manifest } : { ok: false, reason: `${first} is missing` }
}

function signed(bytes: Buffer, signature: string, fingerprint: string | undefined): ExportManifest {
  const parsed = parseManifest(bytes.toString('utf8'))
  if (!parsed.ok) throw new Wrong(`${MANIFEST} does not fit: ${parsed.problems.join('; ')}`)
  const { key } = parsed.value
  if (fingerprintOf(key.publicKey) !== key.fingerprint) {
    throw new Wrong('the fingerprint in the manifest is not that of its key')
  }
  if (fingerprint !== undefined && fingerprint.toLowerCase() !== key.fingerprint) {
    throw new Wrong(`it is signed with the key ${key.fingerprint}, not with ${fingerprint}`)
  }
  if (!isSignedBy(key.publicKey, bytes, signature)) {
    throw new Wrong(`the signature does not fit ${MANIFEST}: it has been changed`)
  }
  return parsed.value
}

async function small(entry: AsyncIterable<unknown>, name: string): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const chunk of entry) {
    const part = chunk as Buffer
    bytes += part.length
    if (bytes > MAX_MANIFEST_BYTES) throw new Wrong(`${name} is larger than ${MAX_MANIFEST_BYTES} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

async function contentOf(entry: AsyncIterable<unknown>): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of entry) {
    const part = chunk as Buffer
    hash.update(part)
    bytes += part.length
  }
  return { bytes, sha256: hash.digest('hex') }
}

/** For a terminal. */
export function describeExport(manifest: ExportManifest): string {
  const { camera, span, exportedBy, exportedAtMs, reason, grant, files, audit, key } = manifest
  const time = (ms: number) => new Date(ms).toISOString()
  return `the package is whole: ${files.length} files, signed with the key
  ${key.fingerprint}
  compare it with what the centre says (export key)
camera:   ${camera.name} (${camera.cameraId}), region ${camera.region}
span:     ${time(span.fromMs)} to ${time(span.toMs)}
clips:    ${manifest.clips.map(({ file, fromMs }) => `${file} from ${time(fromMs)}`).join(', ')}
exported: ${time(exportedAtMs)} by ${exportedBy.displayName} (${exportedBy.username}): ${reason}
grant:    ${grant.grantId}, ${grant.purpose}${grant.note ? `: ${grant.note}` : ''}
record:   entry ${audit.seq}, ${audit.hash}
`
}
