/**
 * Checks the record item by item: every link of the chain, every seal, every key. Enters: keys, then entries and seals
 * in their order, from a file or from the store. Leaves: the first place that does not fit, or what is proven and what is
 * not. Pure, and needs as much memory for a million entries as for one.
 */
import { BEFORE_FIRST, type ChainEntry, type ChainPlace, checkLink } from './chain.ts'
import { isSigned, type KeyRecord, keyIdOf, SEALS_START, type Seal, sealHash } from './seals.ts'

export type RecordItem =
  | ({ kind: 'key' } & KeyRecord)
  | ({ kind: 'entry' } & ChainEntry)
  | ({ kind: 'seal' } & Seal)

/** The first thing that does not fit. */
export interface Break {
  /** The entry that is wrong, that is missing, or that the wrong seal is about. */
  seq?: number
  /** The seal that is wrong or missing. */
  sealNo?: number
  reason: string
}

export interface Trust {
  /** Fingerprint of a key that is known from elsewhere to be the hub's. */
  keyId?: string | undefined
  /** A seal that was kept elsewhere. */
  seal?: Seal | undefined
}

export interface Verified {
  ok: true
  entries: number
  /** Numbers of the first and the last entry; 0 without any. */
  firstSeq: number
  lastSeq: number
  seals: number
  lastSeal: Seal | undefined
  keys: KeyRecord[]
  proven: string[]
  notProven: string[]
}

/** Whether all fits. */
export type Verdict<B extends Break = Break, V extends Verified = Verified> = ({ ok: false } & B) | V

export class RecordVerifier {
  readonly #trust: Trust
  readonly #start: ChainPlace
  readonly #keys: KeyRecord[] = []
  #at: ChainPlace
  #entries = 0
  #seals = 0
  #firstSealNo: number | undefined
  #lastSeal: Seal | undefined
  /** Up to this seal a key that is trusted has signed. */
  #trustedSeal: Seal | undefined
  #isKeptSealFound = false

  /** `after`: the record begins behind this entry, and with whichever seal comes first. */
  constructor(trust: Trust = {}, after: ChainPlace = BEFORE_FIRST) {
    this.#trust = trust
    this.#start = after
    this.#at = after
  }

  /** The newest entry that was checked. */
  get at(): ChainPlace {
    return this.#at
  }

  get counts(): { entries: number; seals: number; lastSealNo: number } {
    return { entries: this.#entries, seals: this.#seals, lastSealNo: this.#lastSeal?.sealNo ?? 0 }
  }

  get newestKey(): KeyRecord | undefined {
    return this.#keys.at(-1)
  }

  /** The next item; what does not fit about it, or `undefined`. Nothing may follow after something that did not fit. */
  take(item: RecordItem): Break | undefined {
    const { kind, ...fields } = item
    if (kind === 'key') return this.#takeKey(fields as KeyRecord)
    if (kind === 'seal') return this.#takeSeal(fields as Seal)
    const wrong = checkLink(fields as ChainEntry, this.#at)
    if (wrong) return wrong
    this.#at = { seq: item.seq, hash: item.hash }
    this.#entries += 1
    return undefined
  }

  #takeKey(key: KeyRecord): Break | undefined {
    const last = this.#keys.at(-1)
    const wrong = (reason: string) => ({ reason: `key ${key.keyNo}: ${reason}` })
    if (this.#entries + this.#seals > 0) return wrong('keys stand before all entries')
    if (key.keyNo !== this.#keys.length + 1) return wrong(`key ${this.#keys.length + 1} belongs here`)
    if (keyIdOf(key.publicKey) !== key.keyId) return wrong('its fingerprint is not that of its public key')
    // Equal: the key before was changed before it had made a seal.
    if (key.fromSeal < (last?.fromSeal ?? 1)) return wrong('it begins before the key that it follows')
    const isFirst = key.signedBy === key.keyId
    if (!isFirst && key.signedBy !== last?.keyId) return wrong('it is not signed by the key before')
    if (!isSigned('key', key, isFirst ? key.publicKey : last!.publicKey))
      return wrong('its signature is wrong')
    this.#keys.push(key)
    return undefined
  }

  #takeSeal(seal: Seal): Break | undefined {
    const { sealNo, seq } = seal
    const wrong = (reason: string): Break => ({ seq, sealNo, reason: `seal ${sealNo}: ${reason}` })
    const isPart = this.#start.seq > 0
    if (this.#lastSeal || !isPart) {
      const expected = (this.#lastSeal?.sealNo ?? 0) + 1
      if (sealNo > expected) return { ...wrong(`seal ${expected} is missing before it`), sealNo: expected }
      if (sealNo < expected) return wrong(`it stands where seal ${expected} belongs`)
      const before = this.#lastSeal ? sealHash(this.#lastSeal) : SEALS_START
      if (seal.previousSeal !== before) return wrong('it does not continue the seal before')
    }
    if (seq > this.#at.seq)
      return wrong(`entries ${this.#at.seq + 1} to ${seq}, which it is about, are missing`)
    if (seq !== this.#at.seq) return wrong(`it is about entry ${seq}, but stands after entry ${this.#at.seq}`)
    if (seal.hash !== this.#at.hash) return wrong(`entry ${seq} was another one when it was sealed`)
    const key = this.#keys.find(({ keyId }) => keyId === seal.keyId)
    if (!key) return wrong(`no key ${seal.keyId} is known`)
    const next = this.#keys[key.keyNo]
    if (sealNo < key.fromSeal || (next && sealNo >= next.fromSeal)) {
      return wrong(`key ${key.keyNo} does not make the seals of this time`)
    }
    if (!isSigned('seal', seal, key.publicKey)) return wrong('its signature is wrong')
    const kept = this.#trust.seal
    if (kept?.sealNo === sealNo) {
      if (sealHash(kept) !== sealHash(seal)) {
        return wrong(`it is not the one that was kept elsewhere: what it seals was written anew`)
      }
      this.#isKeptSealFound = true
    }
    this.#firstSealNo ??= sealNo
    this.#lastSeal = seal
    this.#seals += 1
    if (this.#isTrusted(key)) this.#trustedSeal = seal
    return undefined
  }

  /** The key that is known from elsewhere, and those after it as long as each was signed by the one before. */
  #isTrusted(key: KeyRecord): boolean {
    const known = this.#keys.findIndex(({ keyId }) => keyId === this.#trust.keyId)
    if (known < 0 || key.keyNo < known + 1) return false
    return this.#keys.slice(known + 1, key.keyNo).every(({ keyId, signedBy }) => signedBy !== keyId)
  }

  /** After the last item: what is missing that was asked for, or what is proven. */
  finish(): Verdict {
    const { keyId, seal: kept } = this.#trust
    const last = this.#lastSeal
    if (kept && !this.#isKeptSealFound) {
      if (this.#firstSealNo !== undefined && kept.sealNo < this.#firstSealNo) {
        const reason = `seal ${kept.sealNo}, which was kept elsewhere, lies before this part: export from further back`
        return { ok: false, seq: kept.seq, sealNo: kept.sealNo, reason }
      }
      const from =
        this.#at.seq < kept.seq ? `entries ${this.#at.seq + 1} to ${kept.seq} at least are` : 'it is'
      const reason = `seal ${kept.sealNo}, which was kept elsewhere, is not here: ${from} missing`
      return { ok: false, seq: Math.min(this.#at.seq + 1, kept.seq), sealNo: kept.sealNo, reason }
    }
    if (keyId !== undefined && !this.#trustedSeal) {
      const isKnown = this.#keys.some((key) => key.keyId === keyId)
      const why = isKnown
        ? 'no seal here is made by it or by one that follows it'
        : 'it is not among the keys here'
      return { ok: false, reason: `key ${keyId}: ${why}, so nothing is proven by it` }
    }
    return {
      ok: true,
      entries: this.#entries,
      firstSeq: this.#entries === 0 ? 0 : this.#start.seq + 1,
      lastSeq: this.#entries === 0 ? 0 : this.#at.seq,
      seals: this.#seals,
      lastSeal: last,
      keys: [...this.#keys],
      ...this.#findings(),
    }
  }

  #findings(): Pick<Verified, 'proven' | 'notProven'> {
    const { seal: kept } = this.#trust
    const last = this.#lastSeal
    const proven: string[] = []
    const notProven: string[] = []
    const range = `entries ${this.#start.seq + 1} to ${this.#at.seq}`
    if (this.#entries > 0)
      proven.push(`${range} follow each other without a gap, each with the content of its hash`)
    if (last) {
      proven.push(
        `entries up to ${last.seq} are those that seal ${last.sealNo} was made for on ${dateOf(last.atMs)}`,
      )
    } else
      notProven.push('there is no seal: whoever may write into the store can have written all of it anew')
    if (this.#trustedSeal) {
      const { seq, sealNo } = this.#trustedSeal
      proven.push(`entries up to ${seq} are sealed by the key that you named (seal ${sealNo})`)
      if (sealNo !== last?.sealNo) {
        notProven.push(
          `seals after ${sealNo} are made by a key that the one before did not sign: ask why it was lost`,
        )
      }
    } else if (last) {
      notProven.push(
        `that the key is the hub's: compare its fingerprint with one noted elsewhere, or name it with --key (${last.keyId})`,
      )
    }
    if (kept)
      proven.push(`nothing up to entry ${kept.seq} was changed since seal ${kept.sealNo} was kept elsewhere`)
    for (const { keyNo, fromSeal } of this.#keys.filter(
      (key) => key.keyNo > 1 && key.signedBy === key.keyId,
    )) {
      notProven.push(
        `key ${keyNo}, from seal ${fromSeal} on, begins anew: the key before was given up as lost`,
      )
    }
    const open = this.#at.seq - (last?.seq ?? this.#start.seq)
    if (last && open > 0) {
      notProven.push(
        `the ${open} entries after entry ${last.seq} are not sealed yet: they can be changed or cut off unseen`,
      )
    }
    notProven.push(
      kept
        ? `that nothing was cut off after seal ${kept.sealNo}: an earlier state of the record looks the same`
        : 'that nothing was cut off at the end: an earlier state of the record looks the same; keep seals elsewhere (audit seal) and name one with --since-seal',
      'anything against somebody who has the sealing key and may write into the store: they can write anew what came after the newest seal that was kept elsewhere',
      'that what the hub wrote down is all that happened: what reads the database or the disk beside the hub leaves no entry',
    )
    return { proven, notProven }
  }
}

function dateOf(atMs: number): string {
  return new Date(atMs).toISOString()
}
