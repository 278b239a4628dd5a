/**
 * Learned normality of one camera: follows every object, asks the model how rare what it does is, learns from it once it
 * has gone, and finds what stands out. An object stands out when one thing about it (its class here, its place, its
 * movement, its size, the hour) has been rare for several looks in a row, and when it is among the rarest of those that
 * the camera remembers: as many as the rule may tell of in a day.
 */
import type { UnusualRuleConfig } from '../../config/rules.ts'
import type { Track } from '../../track/track.ts'
import { footPoint } from '../../track/tracker.ts'
import { motionOf } from '../motion.ts'
import { isInside } from '../polygon.ts'
import { type Finding, hundredths, placeOf, type Scene, withArticle } from '../rule.ts'
import { CLASSES, cellOf, FACTORS, type Factor, moveOf, sizeOf } from './layout.ts'
import type { NormalityModel } from './normality-model.ts'
import type { Sample, SceneMemory } from './scene-memory.ts'

/** An object is looked at this often. */
const LOOK_EVERY_MS = 500
const MOTION_WINDOW_MS = 1000
/** A thing counts as done when it was so in this many looks in a row. */
const LOOKS_IN_A_ROW = 3
/** After this time without it an object has gone. */
const GONE_MS = 5000
/** Fewer looks tell too little to learn from. */
const MIN_SAMPLES = 3
/** What an object does for longer than this adds nothing. */
const MAX_SAMPLES = 600
/** Hours are rare until several days have passed. */
const HOUR_FROM_DAYS = 5

interface Followed {
  className: string
  samples: Sample[]
  lookedAtMs: number
  lastSeenAtMs: number
  /** Of the newest looks, oldest first. */
  recent: Float32Array[]
  /** The rarest thing that was so in a row, and which it was. */
  rarest: { rarity: number; factor: Factor }
  isTold: boolean
}

export class Normality {
  readonly #config: UnusualRuleConfig
  readonly #place: string
  readonly #memory: SceneMemory
  readonly #model: Pick<NormalityModel, 'rarities'>
  readonly #followed = new Map<number, Followed>()
  #isAsking = false

  constructor(options: {
    config: UnusualRuleConfig
    cameraName: string
    memory: SceneMemory
    model: Pick<NormalityModel, 'rarities'>
  }) {
    this.#config = options.config
    this.#place = placeOf(options.config.name, options.cameraName)
    this.#memory = options.memory
    this.#model = options.model
  }

  /** The tracks of a frame, in the order of time. Answers what stands out now and was not told of, if it may be told. */
  async observe(scene: Scene, mayAlert: boolean): Promise<Finding | undefined> {
    const { tracks, atMs } = scene
    this.#learnGone(atMs)
    // Looks are half a second apart: one that comes while the model is asked is left out.
    if (this.#isAsking) return undefined
    const looks = tracks.flatMap((track) => this.#look(track, scene))
    if (looks.length === 0) return undefined
    this.#isAsking = true
    let rarities: Float32Array[]
    try {
      rarities = await this.#model.rarities(
        this.#memory,
        looks.map(({ sample }) => sample),
      )
    } finally {
      this.#isAsking = false
    }
    const usesHour = this.#memory.days >= HOUR_FROM_DAYS
    for (const [index, { followed }] of looks.entries()) weigh(followed, rarities[index]!, usesHour)
    if (!mayAlert) return undefined
    const standsOut = looks
      .filter(({ followed }) => this.#standsOut(followed))
      .sort((a, b) => a.followed.rarest.rarity - b.followed.rarest.rarity)[0]
    if (!standsOut) return undefined
    standsOut.followed.isTold = true
    return this.#finding(standsOut.track, standsOut.followed)
  }

  /** The camera looks somewhere else: nothing of what was learned holds. */
  forget(): void {
    this.#memory.forget()
    this.#followed.clear()
  }

  #look(track: Track, { atMs, aspect }: Scene): { track: Track; followed: Followed; sample: Sample }[] {
    const kind = (CLASSES as readonly string[]).indexOf(track.className)
    if (kind < 0 || !this.#config.classes.includes(track.className) || track.lastSeenAtMs !== atMs) return []
    const foot = footPoint(track.boxNorm)
    if (this.#config.zone && !isInside(foot, this.#config.zone)) return []
    let followed = this.#followed.get(track.trackId)
    if (followed) followed.lastSeenAtMs = atMs
    if (followed && atMs - followed.lookedAtMs < LOOK_EVERY_MS) return []
    const motion = motionOf(track, MOTION_WINDOW_MS, aspect)
    // A box that is half out of the picture has a size and a place of its own.
    if (!motion || isCut(track)) return []
    if (!followed || followed.className !== track.className) {
      followed = {
        className: track.className,
        samples: followed?.samples ?? [],
        lookedAtMs: 0,
        lastSeenAtMs: atMs,
        recent: [],
        rarest: followed?.rarest ?? { rarity: 1, factor: 'place' },
        isTold: followed?.isTold ?? false,
      }
      this.#followed.set(track.trackId, followed)
    }
    followed.lookedAtMs = atMs
    const { x, y } = motion.velocity
    const height = track.boxNorm[3] - track.boxNorm[1]
    const hour = new Date(atMs).getUTCHours()
    const sample: Sample = [kind, cellOf(foot), moveOf(x, y), sizeOf(height), hour]
    if (followed.samples.length < MAX_SAMPLES) followed.samples.push(sample)
    return [{ track, followed, sample }]
  }

  #standsOut({ rarest, isTold }: Followed): boolean {
    const { minObjects, rarity, perDay } = this.#config
    if (isTold || this.#memory.objects < minObjects || rarest.rarity > rarity) return false
    return this.#memory.shareAsRare(rarest.rarity) <= perDay / this.#memory.objectsPerDay
  }

  #learnGone(atMs: number): void {
    for (const [trackId, { samples, lastSeenAtMs, rarest }] of this.#followed) {
      if (atMs - lastSeenAtMs < GONE_MS && atMs >= lastSeenAtMs) continue
      this.#followed.delete(trackId)
      if (samples.length >= MIN_SAMPLES) this.#memory.learn(samples, rarest.rarity, atMs)
    }
  }

  #finding(track: Track, { rarest }: Followed): Finding {
    const { objects, days } = this.#memory
    const oneIn = Math.round(1 / Math.max(rarest.rarity, 1e-6))
    const what = withArticle(track.className)
    const learned = `learned from ${objects} objects in ${Math.max(1, Math.round(days))} day(s)`
    return {
      subjects: [track],
      score: hundredths(1 - rarest.rarity),
      reason: `${what} ${WORDS[rarest.factor]} in ${this.#place}: once in ${oneIn} (${learned}).`,
      facts: {
        className: track.className,
        factor: rarest.factor,
        oneIn,
        learnedObjects: objects,
        learnedDays: Math.round(days),
        trackId: track.trackId,
      },
      path: track.path,
    }
  }
}

const WORDS: Readonly<Record<Factor, string>> = {
  class: 'is where such things are rare',
  place: 'is where hardly anything ever is',
  movement: 'moves as hardly anything does there',
  size: 'is of another size than what is usual there',
  hour: 'is there at an hour at which that is rare',
}

/** Keeps the rarest thing that was so in all of the last looks. */
function weigh(followed: Followed, rarities: Float32Array, usesHour: boolean): void {
  followed.recent.push(rarities)
  if (followed.recent.length > LOOKS_IN_A_ROW) followed.recent.shift()
  if (followed.recent.length < LOOKS_IN_A_ROW) return
  for (const [index, factor] of FACTORS.entries()) {
    if (factor === 'hour' && !usesHour) continue
    const rarity = Math.max(...followed.recent.map((look) => look[index]!))
    if (rarity < followed.rarest.rarity) followed.rarest = { rarity, factor }
  }
}

const EDGE = 0.005

function isCut({ boxNorm: [x1, y1, x2, y2] }: Track): boolean {
  return x1 < EDGE || y1 < EDGE || x2 > 1 - EDGE || y2 > 1 - EDGE
}
