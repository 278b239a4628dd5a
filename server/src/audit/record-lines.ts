/**
 * An export of the record: JSON Lines, each the canonical text of one item. First a head, then the keys, then entries and
 * seals in their order, last an end that is signed over all before it. A line that is not exactly the text that would be
 * written for it is refused, so that no byte can be changed unseen. Pure.
 */
import { createHash } from 'node:crypto'
import { type Parsed, parser } from '@patrolhub/protocol'
import { type Static, Type } from 'typebox'
import { canonicalJson } from './chain.ts'
import type { SealKey } from './seal-key.ts'
import { isSigned, signExport } from './seals.ts'
import {
  type Break,
  type RecordItem,
  RecordVerifier,
  type Trust,
  type Verdict,
  type Verified,
} from './verify-record.ts'

const Count = Type.Integer({ minimum: 0 })
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' })
const Signature = Type.String({ pattern: '^[0-9a-f]{128}$' })
const Moment = Type.Integer()
const strict = { additionalProperties: false }

const Head = Type.Object(
  {
    kind: Type.Literal('head'),
    format: Type.Literal('patrolhub-record'),
    version: Type.Literal(1),
    exportedAtMs: Moment,
    /** What was asked for; `null` for no bound. */
    fromMs: Type.Union([Moment, Type.Null()]),
    toMs: Type.Union([Moment, Type.Null()]),
    /** The entry before the first one here; 0 and zeros if it is the first of all. */
    afterSeq: Count,
    afterHash: Hash,
  },
  strict,
)
export type Head = Static<typeof Head>
const Key = Type.Object(
  {
    kind: Type.Literal('key'),
    keyNo: Count,
    keyId: Hash,
    publicKey: Hash,
    fromSeal: Count,
    atMs: Moment,
    signedBy: Hash,
    signature: Signature,
  },
  strict,
)
const Entry = Type.Object(
  {
    kind: Type.Literal('entry'),
    seq: Count,
    atMs: Moment,
    actorId: Type.Union([Type.String(), Type.Null()]),
    actorName: Type.String(),
    action: Type.String(),
    subject: Type.String(),
    detail: Type.Unknown(),
    previousHash: Hash,
    hash: Hash,
  },
  strict,
)
const sealFields = {
  sealNo: Count,
  seq: Count,
  hash: Hash,
  previousSeal: Hash,
  atMs: Moment,
  keyId: Hash,
  signature: Signature,
}
/** A seal as it is kept elsewhere: a line of an export, of the hub's log, or what `audit seal` prints. */
export const KeptSeal = Type.Object(sealFields)
const SealLine = Type.Object({ kind: Type.Literal('seal'), ...sealFields }, strict)
const End = Type.Object(
  {
    kind: Type.Literal('end'),
    entries: Count,
    seals: Count,
    lastSeq: Count,
    lastHash: Hash,
    lastSealNo: Count,
    /** SHA-256 over all bytes before this line. */
    fileHash: Hash,
    keyId: Hash,
    signature: Signature,
  },
  strict,
)
type End = Static<typeof End>

const CHECKS = {
  head: parser(Head),
  key: parser(Key),
  entry: parser(Entry),
  seal: parser(SealLine),
  end: parser(End),
}

/** Where in the file it broke; the first line is 1. */
export interface FileBreak extends Break {
  line: number
}
export interface VerifiedFile extends Verified {
  head: Head
}

export type FileVerdict = Verdict<FileBreak, VerifiedFile>

/** Makes the lines, each with its line end. */
export class RecordWriter {
  readonly #hash = createHash('sha256')
  #counts = { entries: 0, seals: 0, lastSeq: 0, lastHash: '', lastSealNo: 0 }

  head(head: Omit<Head, 'kind' | 'format' | 'version'>): string {
    this.#counts = { ...this.#counts, lastSeq: head.afterSeq, lastHash: head.afterHash }
    return this.#line({ kind: 'head', format: 'patrolhub-record', version: 1, ...head })
  }

  item(item: RecordItem): string {
    if (item.kind === 'entry') {
      this.#counts.entries += 1
      this.#counts.lastSeq = item.seq
      this.#counts.lastHash = item.hash
    } else if (item.kind === 'seal') {
      this.#counts.seals += 1
      this.#counts.lastSealNo = item.sealNo
    }
    return this.#line(item)
  }

  end({ keyId, privateKey }: SealKey): string {
    const fields = { kind: 'end', ...this.#counts, fileHash: this.#hash.copy().digest('hex'), keyId }
    return `${canonicalJson(signExport(fields, privateKey))}\n`
  }

  #line(value: object): string {
    const text = `${canonicalJson(value)}\n`
    this.#hash.update(text, 'utf8')
    return text
  }
}

/** Checks an export line by line. Give every line without its line end, then call `finish`. */
export class RecordReader {
  readonly #trust: Trust
  readonly #hash = createHash('sha256')
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  #line = 0
  #head: Head | undefined
  #verifier: RecordVerifier | undefined
  #hasEnded = false

  constructor(trust: Trust = {}) {
    this.#trust = trust
  }

  /** What does not fit about this line, or `undefined`. Nothing may follow after something that did not fit. */
  take(bytes: Uint8Array): FileBreak | undefined {
    this.#line += 1
    const wrong = this.#check(bytes)
    if (wrong) return { line: this.#line, ...wrong }
    this.#hash.update(bytes).update('\n')
    return undefined
  }

  #check(bytes: Uint8Array): Break | undefined {
    // Where something cannot even be read, the entry that belongs there is named.
    const place = this.#verifier ? { seq: this.#verifier.at.seq + 1 } : {}
    if (this.#hasEnded) return { ...place, reason: 'something follows after the end of the export' }
    const parsed = parseLine(bytes, this.#decoder)
    if (!parsed.ok) return { ...place, reason: `this is no line of an export: ${parsed.problems.join('; ')}` }
    const item = parsed.value
    if (!this.#verifier) {
      if (item.kind !== 'head') return { reason: 'an export begins with its head' }
      this.#head = item
      this.#verifier = new RecordVerifier(this.#trust, { seq: item.afterSeq, hash: item.afterHash })
      return undefined
    }
    if (item.kind === 'head') return { ...place, reason: 'a second head' }
    if (item.kind === 'end') return this.#end(item, this.#verifier)
    return this.#verifier.take(item)
  }

  #end(end: End, verifier: RecordVerifier): Break | undefined {
    this.#hasEnded = true
    const { entries, seals, lastSealNo } = verifier.counts
    const { at } = verifier
    const wrong = (reason: string) => ({ seq: at.seq + 1, reason: `the end of the export: ${reason}` })
    if (end.entries !== entries || end.lastSeq !== at.seq) {
      return wrong(
        `it counts ${end.entries} entries up to ${end.lastSeq}, here are ${entries} up to ${at.seq}`,
      )
    }
    if (end.lastHash !== at.hash) return wrong(`entry ${at.seq} was another one when it was exported`)
    if (end.seals !== seals || end.lastSealNo !== lastSealNo) {
      return wrong(
        `it counts ${end.seals} seals up to ${end.lastSealNo}, here are ${seals} up to ${lastSealNo}`,
      )
    }
    if (end.fileHash !== this.#hash.copy().digest('hex')) return wrong('the bytes before it are others')
    const key = verifier.newestKey
    if (end.keyId !== key?.keyId) return wrong('it is not signed by the newest key')
    if (!isSigned('export', end, key.publicKey)) return wrong('its signature is wrong')
    return undefined
  }

  /** After the last line. `isCut`: the last line had no line end. */
  finish(isCut: boolean): FileVerdict {
    const line = this.#line + 1
    if (!this.#head || !this.#verifier) return { ok: false, line, reason: 'the file is empty' }
    if (isCut || !this.#hasEnded) {
      const { seq } = this.#verifier.at
      return {
        ok: false,
        line,
        seq: seq + 1,
        reason: `the file is cut off after entry ${seq}: its end is missing`,
      }
    }
    const result = this.#verifier.finish()
    return result.ok ? { head: this.#head, ...result } : { line, ...result }
  }
}

type Line = RecordItem | Head | End

function parseLine(bytes: Uint8Array, decoder: TextDecoder): Parsed<Line> {
  let text: string
  let value: unknown
  try {
    text = decoder.decode(bytes)
    value = JSON.parse(text)
  } catch (error) {
    return { ok: false, problems: [(error as Error).message] }
  }
  const kind = (value as { kind?: unknown } | null)?.kind
  if (typeof kind !== 'string' || !Object.hasOwn(CHECKS, kind)) {
    return { ok: false, problems: ['it is of no known kind'] }
  }
  const checked = CHECKS[kind as keyof typeof CHECKS](value) as Parsed<Line>
  if (checked.ok && canonicalJson(value) !== text) {
    return { ok: false, problems: ['it is not written as the hub writes it'] }
  }
  return checked
}
