/**
 * What is wrong with the picture itself: covered, blurred, frozen or moved camera. Brightness of a frame in, once a
 * second, what has lasted how long out. Pure: time comes with the frames.
 *
 * The picture is compared with a reference that it has learned: a view counts as known when the samples of
 * LEARN_MS agree with each other, so that a lorry that drives through does not become the reference. A known view that
 * no longer looks like the reference is a moved camera; the reference follows slow changes (dusk) by itself.
 *   sharpness gone, shapes still there  blurred
 *   sharpness and shapes gone           covered
 *   sharp, and other shapes             moved
 *   no cell changes                     frozen
 */
import type { Frame } from '../capture/frame.ts'
import type { PictureRuleConfig } from '../config/rules.ts'
import { correlation, edgesOf, type Luma, lumaOf, sharpnessOf, shrink, spreadOf } from './luma.ts'

export type PictureFault = PictureRuleConfig['kind']

/** Frames between two samples are not looked at. */
export const SAMPLE_MS = 950
const LEARN_MS = 8000
/** Samples of one view agree at least this well in their edges; people and cars that move through cost up to 0.2. */
const SAME_VIEW = 0.65
/** A view that agrees with the reference less than this is another one. */
const OTHER_VIEW = 0.45
/** The view is looked at in so many parts each way; those with edges less strong than this, in grey values, say nothing. */
const PARTS = 4
const STRUCTURE = 6
/** When this part of the others is as it was, something stands before the camera, or does no more. */
const PART_LEFT = 0.25
/** Shapes of the whole picture, strongly blurred, are still the same from here on. */
const SAME_SHAPES = 0.6
/** Less than this part of the sharpness of the reference is blurred: a defocus of 0.7 % of the width leaves 0.07. */
const SHARPNESS_LEFT = 0.25
/** A picture with less contrast than this, in grey values, shows nothing. */
const FLAT_DEVIATION = 4
/** Mean change from one sample to the next, in grey values: live pictures have at least 0.8. */
const STILL_CHANGE = 0.1
/** A frozen source is coded anew now and then: this part of the samples may change. */
const STILL_PART = 0.9
/** The reference takes in 1 part in this many of each sample. */
const ADAPT = 60
/** A fault is over when it has not been seen for this long, or in two samples of a camera that sends few. */
const OVER_MS = 4000

interface View {
  edges: Luma
  shapes: Luma
  sharpness: number
}

/** A fault that is there now. */
export interface PictureFinding {
  fault: PictureFault
  sinceMs: number
  /** 0..1: how far from the limit it is. */
  score: number
  /** What was measured, for the reader. */
  facts: Record<string, number>
}

interface Lasting {
  sinceMs: number
  lastAtMs: number
}

export class PictureWatch {
  #reference: View | undefined
  #candidate: { view: View; sinceMs: number; samples: number } | undefined
  #previous: Luma | undefined
  #stillSamples = 0
  #changedSamples = 0
  #lastSampleMs = Number.NEGATIVE_INFINITY
  readonly #lasting = new Map<PictureFault, Lasting>()

  /** Faults of this moment; `undefined` for a frame that was not looked at, because the last sample is too young. */
  observe(frame: Frame, luma?: Luma): PictureFinding[] | undefined {
    const atMs = frame.capturedAtMs
    if (atMs < this.#lastSampleMs) this.#forget()
    if (atMs - this.#lastSampleMs < SAMPLE_MS) return undefined
    const sinceLastMs = atMs - this.#lastSampleMs
    this.#lastSampleMs = atMs
    const half = shrink(luma ?? lumaOf(frame), 2)
    const { deviation } = spreadOf(half)
    const view: View = { edges: edgesOf(half), shapes: shrink(half, 4), sharpness: sharpnessOf(frame) }
    const lens = deviation < FLAT_DEVIATION ? flat(deviation) : this.#compare(view)
    // Of a lens that sees nothing, nothing new can come.
    const still = this.#frozen(half)
    const frozen = lens ? undefined : still
    const seen = [frozen, lens].filter((each) => each !== undefined)
    // While nothing can be seen, or nothing new comes, there is nothing to learn.
    if (!lens && !frozen) this.#learn(view, atMs)
    const moved = lens ? undefined : this.#moved()
    if (moved) seen.push(moved)
    return this.#withDurations(seen, atMs, Math.max(OVER_MS, 2.5 * sinceLastMs))
  }

  /** The view that is seen now becomes the right one: somebody has been told, or has moved the camera on purpose. */
  accept(fault: PictureFault): void {
    if (fault !== 'moved-camera' || !this.#candidate) return
    this.#reference = this.#candidate.view
  }

  #forget(): void {
    this.#lasting.clear()
    this.#candidate = undefined
    this.#lastSampleMs = Number.NEGATIVE_INFINITY
  }

  #frozen(luma: Luma): Omit<PictureFinding, 'sinceMs'> | undefined {
    const before = this.#previous
    this.#previous = luma
    if (!before || before.data.length !== luma.data.length) return undefined
    let change = 0
    for (let index = 0; index < luma.data.length; index += 1)
      change += Math.abs(luma.data[index]! - before.data[index]!)
    change /= luma.data.length
    if (change < STILL_CHANGE) this.#stillSamples += 1
    else this.#changedSamples += 1
    const part = this.#stillSamples / (this.#stillSamples + this.#changedSamples)
    if (change >= STILL_CHANGE && part < STILL_PART) {
      this.#stillSamples = 0
      this.#changedSamples = 0
      this.#lasting.delete('frozen')
      return undefined
    }
    return part < STILL_PART
      ? undefined
      : { fault: 'frozen', score: 1 - change, facts: { change: round(change) } }
  }

  #compare(view: View): Omit<PictureFinding, 'sinceMs'> | undefined {
    const reference = this.#reference
    if (!reference || !fits(reference, view)) return undefined
    const left = view.sharpness / Math.max(reference.sharpness, 1e-6)
    if (left >= SHARPNESS_LEFT) return undefined
    const shapes = correlation(view.shapes, reference.shapes)
    return {
      fault: shapes >= SAME_SHAPES ? 'blurred' : 'covered',
      score: 1 - left,
      facts: {
        sharpnessPercent: Math.round(100 * left),
        similarityPercent: Math.round(100 * Math.max(0, shapes)),
      },
    }
  }

  /** Follows the view: the samples of one view are averaged, a sample of another begins a new candidate. */
  #learn(view: View, atMs: number): void {
    const candidate = this.#candidate
    if (
      !candidate ||
      !fits(candidate.view, view) ||
      correlation(view.edges, candidate.view.edges) < SAME_VIEW
    ) {
      this.#candidate = { view, sinceMs: atMs, samples: 1 }
      return
    }
    candidate.samples += 1
    candidate.view = blend(candidate.view, view, 1 / Math.min(candidate.samples, ADAPT))
    if (atMs - candidate.sinceMs < LEARN_MS) return
    const reference = this.#reference
    if (!reference || !fits(reference, candidate.view) || isSame(reference, candidate.view))
      this.#reference = candidate.view
  }

  #moved(): Omit<PictureFinding, 'sinceMs'> | undefined {
    const reference = this.#reference
    const candidate = this.#candidate
    if (!reference || !candidate || !fits(reference, candidate.view)) return undefined
    const isKnown = this.#lastSampleMs - candidate.sinceMs >= LEARN_MS
    const isDoubted = this.#lasting.has('moved-camera')
    if (!isKnown && !isDoubted) return undefined
    const similarity = correlation(candidate.view.edges, reference.edges)
    if (similarity >= OTHER_VIEW) return undefined
    return {
      fault: 'moved-camera',
      score: 1 - Math.max(0, similarity),
      facts: {
        similarityPercent: Math.round(100 * Math.max(0, similarity)),
        ...shiftOf(reference, candidate.view),
      },
    }
  }

  #withDurations(
    seen: readonly Omit<PictureFinding, 'sinceMs'>[],
    atMs: number,
    overMs: number,
  ): PictureFinding[] {
    for (const [fault, { lastAtMs }] of this.#lasting) {
      if (atMs - lastAtMs > overMs) this.#lasting.delete(fault)
    }
    return seen.map((finding) => {
      const lasting = this.#lasting.get(finding.fault) ?? {
        sinceMs: this.#beganAtMs(finding.fault, atMs),
        lastAtMs: atMs,
      }
      lasting.lastAtMs = atMs
      this.#lasting.set(finding.fault, lasting)
      return { ...finding, sinceMs: lasting.sinceMs }
    })
  }

  /** A moved camera is known as such only when its new view has been learned. */
  #beganAtMs(fault: PictureFault, atMs: number): number {
    return fault === 'moved-camera' ? this.#candidate!.sinceMs : atMs
  }
}

const round = (value: number): number => Math.round(value * 1000) / 1000

function flat(deviation: number): Omit<PictureFinding, 'sinceMs'> {
  return {
    fault: 'covered',
    score: 1 - deviation / (2 * FLAT_DEVIATION),
    facts: { contrast: round(deviation) },
  }
}

function fits(a: View, b: View): boolean {
  return a.edges.width === b.edges.width && a.edges.height === b.edges.height
}

/** A lorry that came or went changes a part of the view; a camera that was turned changes it everywhere. */
function isPartlySame(view: Luma, reference: Luma): boolean {
  let structured = 0
  let same = 0
  const parts = partsOf(view)
  for (const [index, before] of partsOf(reference).entries()) {
    if (spreadOf(before).deviation < STRUCTURE) continue
    structured += 1
    if (correlation(parts[index]!, before) >= SAME_VIEW) same += 1
  }
  return structured > 0 && same >= PART_LEFT * structured
}

function partsOf({ width, height, data }: Luma): Luma[] {
  const part = { width: Math.floor(width / PARTS), height: Math.floor(height / PARTS) }
  return Array.from({ length: PARTS * PARTS }, (_, index) => {
    const left = (index % PARTS) * part.width
    const top = Math.floor(index / PARTS) * part.height
    const cells = new Float32Array(part.width * part.height)
    for (let y = 0; y < part.height; y += 1) {
      const from = (top + y) * width + left
      cells.set(data.subarray(from, from + part.width), y * part.width)
    }
    return { ...part, data: cells }
  })
}

/** Slow changes of light change the strength of edges, not their places. */
function isSame(a: View, b: View): boolean {
  return correlation(a.edges, b.edges) >= SAME_VIEW || isPartlySame(a.edges, b.edges)
}

function blend(into: View, from: View, part: number): View {
  return {
    edges: mix(into.edges, from.edges, part),
    shapes: mix(into.shapes, from.shapes, part),
    sharpness: into.sharpness + (from.sharpness - into.sharpness) * part,
  }
}

function mix(into: Luma, from: Luma, part: number): Luma {
  return { ...into, data: into.data.map((value, index) => value + (from.data[index]! - value) * part) }
}

/** Where the old view went, in per cent of the picture, if it can still be found in the new one. */
function shiftOf(reference: View, view: View): Record<string, number> {
  const { width, height } = view.edges
  let best = { dx: 0, dy: 0, similarity: 0 }
  for (let dy = -Math.floor(height / 4); dy <= height / 4; dy += 1) {
    for (let dx = -Math.floor(width / 4); dx <= width / 4; dx += 1) {
      const similarity = correlation(view.edges, reference.edges, dx, dy, 3)
      if (similarity > best.similarity) best = { dx, dy, similarity }
    }
  }
  if (best.similarity < SAME_SHAPES) return {}
  return {
    shiftXPercent: Math.round((100 * best.dx) / width),
    shiftYPercent: Math.round((100 * best.dy) / height),
  }
}
