/**
 * The quantiser of a coded H.264 picture: SliceQPY of its first slice, read from the slice header (ITU-T H.264, 7.3.2.1,
 * 7.3.2.2, 7.3.3 and 7.4.3). Nothing is decoded: a camera that keeps to a rate makes a picture coarser where it gets
 * more difficult, so that only size and quantiser together tell how difficult it was.
 */

const SLICE = 1
const IDR_SLICE = 5
const SPS = 7
const PPS = 8
const HIGH_PROFILES: ReadonlySet<number> = new Set([
  100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135,
])
/** Slice header and parameter sets are short; what is longer is not looked at. */
const HEADER_BYTES = 512
const MAX_LOOPS = 64

interface Sps {
  hasColourPlanes: boolean
  isMonochrome: boolean
  frameNumBits: number
  pocType: number
  pocLsbBits: number
  isDeltaPocZero: boolean
  isFrameOnly: boolean
}

interface Pps {
  spsId: number
  isCabac: boolean
  hasBottomPoc: boolean
  refs: readonly [number, number]
  isWeighted: boolean
  weightedBi: number
  initQp: number
  hasRedundantCount: boolean
}

export class SliceQp {
  readonly #sps = new Map<number, Sps>()
  readonly #pps = new Map<number, Pps>()

  /**
   * Reads one NAL unit without start code: remembers parameter sets; answers the quantiser (0 to 51) of a slice, and
   * `undefined` for all others and for what cannot be read.
   */
  read(nal: Uint8Array): number | undefined {
    const type = nal[0]! & 0x1f
    if (type !== SLICE && type !== IDR_SLICE && type !== SPS && type !== PPS) return undefined
    try {
      const bits = new Bits(nal.subarray(1, HEADER_BYTES))
      if (type === SPS) this.#readSps(bits)
      else if (type === PPS) this.#readPps(bits)
      else return this.#readSlice(bits, type === IDR_SLICE, (nal[0]! >> 5) & 3)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
    }
    return undefined
  }

  #readSps(bits: Bits): void {
    const profile = bits.u(8)
    bits.skip(16)
    const id = bits.ue()
    const sps: Sps = {
      hasColourPlanes: false,
      isMonochrome: false,
      frameNumBits: 0,
      pocType: 0,
      pocLsbBits: 0,
      isDeltaPocZero: false,
      isFrameOnly: true,
    }
    if (HIGH_PROFILES.has(profile)) {
      const chroma = bits.ue()
      sps.isMonochrome = chroma === 0
      if (chroma === 3) sps.hasColourPlanes = bits.flag()
      bits.ue()
      bits.ue()
      bits.skip(1)
      if (bits.flag()) {
        for (let list = 0; list < (chroma === 3 ? 12 : 8); list += 1)
          if (bits.flag()) skipScalingList(bits, list < 6 ? 16 : 64)
      }
    }
    sps.frameNumBits = bits.ue() + 4
    sps.pocType = bits.ue()
    if (sps.pocType === 0) sps.pocLsbBits = bits.ue() + 4
    else if (sps.pocType === 1) {
      sps.isDeltaPocZero = bits.flag()
      bits.se()
      bits.se()
      const count = bounded(bits.ue(), 255)
      for (let index = 0; index < count; index += 1) bits.se()
    }
    bits.ue()
    bits.skip(1)
    bits.ue()
    bits.ue()
    sps.isFrameOnly = bits.flag()
    this.#sps.set(id, sps)
  }

  #readPps(bits: Bits): void {
    const id = bits.ue()
    const spsId = bits.ue()
    const isCabac = bits.flag()
    const hasBottomPoc = bits.flag()
    // Slice groups are of a profile that no camera uses.
    if (bits.ue() > 0) return void this.#pps.delete(id)
    const refs = [bits.ue() + 1, bits.ue() + 1] as const
    const isWeighted = bits.flag()
    const weightedBi = bits.u(2)
    const initQp = 26 + bits.se()
    bits.se()
    bits.se()
    bits.skip(2)
    const hasRedundantCount = bits.flag()
    this.#pps.set(id, {
      spsId,
      isCabac,
      hasBottomPoc,
      refs,
      isWeighted,
      weightedBi,
      initQp,
      hasRedundantCount,
    })
  }

  #readSlice(bits: Bits, isIdr: boolean, refIdc: number): number | undefined {
    bits.ue()
    const type = bits.ue() % 5
    const pps = this.#pps.get(bits.ue())
    const sps = pps && this.#sps.get(pps.spsId)
    if (!sps) return undefined
    const [isB, isIntra] = [type === 1, type === 2 || type === 4]
    if (sps.hasColourPlanes) bits.skip(2)
    bits.skip(sps.frameNumBits)
    const isField = !sps.isFrameOnly && bits.flag()
    if (isField) bits.skip(1)
    if (isIdr) bits.ue()
    if (sps.pocType === 0) {
      bits.skip(sps.pocLsbBits)
      if (pps.hasBottomPoc && !isField) bits.se()
    } else if (sps.pocType === 1 && !sps.isDeltaPocZero) {
      bits.se()
      if (pps.hasBottomPoc && !isField) bits.se()
    }
    if (pps.hasRedundantCount) bits.ue()
    if (isB) bits.skip(1)
    let refs = pps.refs
    if (!isIntra && bits.flag()) refs = [bits.ue() + 1, isB ? bits.ue() + 1 : 1]
    const lists = isIntra ? 0 : isB ? 2 : 1
    for (let list = 0; list < lists; list += 1) if (bits.flag()) skipUntil(bits, 3, () => 1)
    if ((pps.isWeighted && !isIntra && !isB) || (pps.weightedBi === 1 && isB))
      skipWeights(bits, refs.slice(0, lists), sps.isMonochrome || sps.hasColourPlanes)
    if (refIdc !== 0) {
      if (isIdr) bits.skip(2)
      else if (bits.flag()) skipUntil(bits, 0, (operation) => (operation === 3 ? 2 : operation === 5 ? 0 : 1))
    }
    if (pps.isCabac && !isIntra) bits.ue()
    const qp = pps.initQp + bits.se()
    return qp >= 0 && qp <= 51 ? qp : undefined
  }
}

/** Operations, each with its operands, up to the one that ends them. */
function skipUntil(bits: Bits, end: number, operands: (operation: number) => number): void {
  for (let loop = 0; loop < MAX_LOOPS; loop += 1) {
    const operation = bits.ue()
    if (operation === end) return
    for (let count = operands(operation); count > 0; count -= 1) bits.ue()
  }
  throw new RangeError('an endless list')
}

function skipWeights(bits: Bits, refs: readonly number[], isLumaOnly: boolean): void {
  bits.ue()
  if (!isLumaOnly) bits.ue()
  for (const count of refs) {
    for (let index = 0; index < bounded(count, 32); index += 1) {
      if (bits.flag()) skipSigned(bits, 2)
      if (!isLumaOnly && bits.flag()) skipSigned(bits, 4)
    }
  }
}

function skipSigned(bits: Bits, count: number): void {
  for (let index = 0; index < count; index += 1) bits.se()
}

function skipScalingList(bits: Bits, size: number): void {
  let last = 8
  let next = 8
  for (let index = 0; index < size; index += 1) {
    if (next !== 0) next = (last + bits.se() + 256) % 256
    last = next === 0 ? last : next
  }
}

function bounded(value: number, most: number): number {
  if (value > most) throw new RangeError('out of range')
  return value
}

/** Bits of a payload without the bytes that keep it from looking like a start code; RangeError past its end. */
class Bits {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  skip(count: number): void {
    for (let index = 0; index < count; index += 1) this.flag()
  }

  u(count: number): number {
    let value = 0
    for (let index = 0; index < count; index += 1) value = value * 2 + (this.flag() ? 1 : 0)
    return value
  }

  flag(): boolean {
    if ((this.#at & 7) === 0 && this.#isEscape(this.#at >> 3)) this.#at += 8
    const byte = this.#bytes[this.#at >> 3]
    if (byte === undefined) throw new RangeError('past the end')
    const bit = (byte >> (7 - (this.#at & 7))) & 1
    this.#at += 1
    return bit === 1
  }

  ue(): number {
    let zeros = 0
    while (!this.flag()) {
      zeros += 1
      if (zeros > 31) throw new RangeError('no number')
    }
    return 2 ** zeros - 1 + this.u(zeros)
  }

  se(): number {
    const code = this.ue()
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2
  }

  #isEscape(index: number): boolean {
    return this.#bytes[index] === 3 && this.#bytes[index - 1] === 0 && this.#bytes[index - 2] === 0
  }
}
