/** A record made without a hub, as the hub makes it: for checks that need hundreds of them. */
import { generateKeyPairSync } from 'node:crypto'
import { CHAIN_START, type ChainEntry, entryHash } from '../../src/audit/chain.ts'
import { RecordReader, RecordWriter } from '../../src/audit/record-lines.ts'
import type { SealKey } from '../../src/audit/seal-key.ts'
import {
  keyIdOf,
  publicHalf,
  SEALS_START,
  type Seal,
  sealHash,
  signKey,
  signSeal,
} from '../../src/audit/seals.ts'
import type { RecordItem, Trust } from '../../src/audit/verify-record.ts'

const BEGAN_MS = 1_790_000_000_000

/** Entries with these details; `edits` names who did one of them instead. */
export function chainOf(
  details: readonly unknown[],
  edits: Readonly<Record<number, string>> = {},
): ChainEntry[] {
  let previousHash = CHAIN_START
  return details.map((detail, index) => {
    const fields = {
      seq: index + 1,
      atMs: BEGAN_MS + index,
      actorId: index % 2 ? 'u1' : null,
      actorName: edits[index] ?? 'n',
      action: 'thing.done',
      subject: 's',
      detail,
    }
    const entry = { ...fields, previousHash, hash: entryHash(fields, previousHash) }
    previousHash = entry.hash
    return entry
  })
}

export function newSealKey(): SealKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  const publicKey = publicHalf(privateKey)
  return { privateKey, publicKey, keyId: keyIdOf(publicKey) }
}

export interface MadeRecord {
  items: RecordItem[]
  keys: SealKey[]
  seals: Seal[]
}

/**
 * A seal behind every `sealEvery` entries, by the keys in turn, each signed by the one before. `begins`: places of keys
 * that are not.
 */
export function makeRecord(options: {
  entries: readonly ChainEntry[]
  keys: readonly SealKey[]
  sealEvery: number
  begins?: readonly number[]
  /** Later than the entry by this. */
  sealedAfterMs?: number
}): MadeRecord {
  const { entries, keys, sealEvery, begins = [], sealedAfterMs = 0 } = options
  const count = Math.floor(entries.length / sealEvery)
  const fromSeal = (place: number) => 1 + Math.floor((place * count) / keys.length)
  const keyItems = keys.map((key, place): RecordItem => {
    const signer = place === 0 || begins.includes(place) ? key : keys[place - 1]!
    const { keyId, publicKey } = key
    const fields = {
      keyNo: place + 1,
      keyId,
      publicKey,
      fromSeal: fromSeal(place),
      atMs: BEGAN_MS,
      signedBy: signer.keyId,
    }
    return { kind: 'key', ...signKey(fields, signer.privateKey) }
  })
  const seals: Seal[] = []
  const items = entries.flatMap((entry): RecordItem[] => {
    if (entry.seq % sealEvery !== 0) return [{ kind: 'entry', ...entry }]
    const sealNo = seals.length + 1
    const key = keys.findLast((_, place) => sealNo >= fromSeal(place))!
    const before = seals.at(-1)
    const previousSeal = before ? sealHash(before) : SEALS_START
    const { seq, hash } = entry
    const seal = signSeal(
      { sealNo, seq, hash, previousSeal, atMs: BEGAN_MS + seq + sealedAfterMs, keyId: key.keyId },
      key.privateKey,
    )
    seals.push(seal)
    return [
      { kind: 'entry', ...entry },
      { kind: 'seal', ...seal },
    ]
  })
  return { items: [...keyItems, ...items], keys: [...keys], seals }
}

/** The lines of an export of it, without their line ends. */
export function linesOf(items: readonly RecordItem[], key: SealKey): string[] {
  const writer = new RecordWriter()
  const head = writer.head({
    exportedAtMs: BEGAN_MS,
    fromMs: null,
    toMs: null,
    afterSeq: 0,
    afterHash: CHAIN_START,
  })
  return [head, ...items.map((item) => writer.item(item)), writer.end(key)].map((line) => line.slice(0, -1))
}

/** As a file that ends where these bytes end. */
export function verifyBytes(bytes: Uint8Array, trust: Trust = {}) {
  const reader = new RecordReader(trust)
  let from = 0
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, from)) {
    const wrong = reader.take(bytes.subarray(from, at))
    if (wrong) return { ok: false as const, ...wrong }
    from = at + 1
  }
  return reader.finish(from < bytes.length)
}

export function verifyLines(lines: readonly string[], trust: Trust = {}) {
  return verifyBytes(Buffer.from(lines.map((line) => `${line}\n`).join('')), trust)
}
