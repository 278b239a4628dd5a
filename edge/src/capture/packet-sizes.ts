/**
 * Tells from the sizes of compressed pictures alone that something has begun to move. Sizes in, a claim out; nothing
 * is decoded. Pure.
 *
 * A picture that is predicted from the one before holds what has changed. How much that is without any movement depends
 * on noise, light, rate control, and on how long ago the key frame was (the first pictures after it are unlike the
 * others): so each picture is compared with those at the same place of earlier groups, on a logarithmic scale, and the
 * mean of a run of them has to be larger than such means usually are. A camera that pads its stream to a constant rate
 * without coding more finely hides movement from this: there key frames have to show it (`ChangeWatch`).
 */

/**
 * Runs of the newest pictures that are averaged, and by what factor each mean has to be larger at least, as a natural
 * logarithm. Of a camera with 25 a second: 0.2 s, for whoever is large; half a second and one second, for who is small.
 */
const RUNS = [
  { pictures: 5, minRise: 0.15 },
  { pictures: 12, minRise: 0.12 },
  { pictures: 25, minRise: 0.12 },
] as const
const LONGEST_RUN = 25
/** Part of the deviation by which the level at each place follows: about the last four groups. */
const FOLLOW = 0.25
/** Part by which the scatter follows: about 50 pictures. */
const FOLLOW_SCATTER = 0.02
/**
 * A deviation counts for at most so many times the scatter, or the first second of somebody who walks would hide the next;
 * noise that really grows is learned all the same, within some seconds.
 */
const SCATTER_CLIP = 1.5
const LEAST_CLIP = 0.02
/** Of a single picture, until more is known. */
const START_SCATTER = 0.2
/** A group has to be seen this often before its sizes mean anything. */
const LEARN_GROUPS = 3
/** Rate control pays for the key frame in the pictures right after it: they say nothing, ms. */
const AFTER_KEY_MS = 300
/**
 * A mean also has to be this many times as large as the scatter: 5 at first, which is 4 standard deviations. Each false claim
 * raises it, each true one lowers it, and so does time: whoever is small in a picture differs little from its noise, so a
 * camera is as suspicious as it can be without a false claim more often than every 52 s (a rise by `factor` is forgotten).
 */
const TIMES_SCATTER = { atFirst: 5, least: 3, most: 15, factor: 1.3, calmMs: 200_000 }

export class PacketSizes {
  /** Usual logarithm of the size by place in the group. */
  readonly #levels: number[] = []
  /** `scatter`: mean absolute value of the run's mean deviation from the level, while nothing moves. */
  readonly #runs = RUNS.map((run) => ({ ...run, scatter: START_SCATTER / Math.sqrt(run.pictures) }))
  #timesScatter = TIMES_SCATTER.atFirst
  #groups = 0
  #place = 0
  #keyMs = 0
  /** Deviations of the newest pictures from the level. */
  #newest: number[] = []

  /**
   * One coded picture in decoding order, by its size or difficulty (`PictureDifficulty`). True if the last ones are larger
   * than they can be by chance. `isQuiet` says that nothing is known to move: only then is there anything to learn.
   */
  observe(bytes: number, isKeyFrame: boolean, ptsMs: number, isQuiet: boolean): boolean {
    if (isKeyFrame) {
      if (isQuiet) this.#scaleTimes(Math.exp(-Math.max(0, ptsMs - this.#keyMs) / TIMES_SCATTER.calmMs))
      this.#place = 0
      this.#keyMs = ptsMs
      this.#groups += 1
      return false
    }
    this.#place += 1
    const size = Math.log(bytes)
    const level = this.#levels[this.#place]
    if (level === undefined) {
      if (isQuiet) this.#levels[this.#place] = size
      return false
    }
    const deviation = size - level
    this.#newest.push(deviation)
    if (this.#newest.length > LONGEST_RUN) this.#newest.shift()
    if (isQuiet) this.#levels[this.#place] = level + FOLLOW * deviation
    let hasRisen = false
    for (const run of this.#runs) {
      if (this.#newest.length < run.pictures) continue
      const mean = this.#meanOf(run.pictures)
      if (mean > Math.max(run.minRise, this.#timesScatter * run.scatter)) hasRisen = true
      if (!isQuiet) continue
      const counted = Math.min(Math.abs(mean), Math.max(LEAST_CLIP, SCATTER_CLIP * run.scatter))
      run.scatter += FOLLOW_SCATTER * (counted - run.scatter)
    }
    return hasRisen && this.#groups > LEARN_GROUPS && ptsMs - this.#keyMs >= AFTER_KEY_MS
  }

  /** Whether the last claim was right: something really moved, or nothing did. */
  learn(wasRight: boolean): void {
    this.#newest = []
    this.#scaleTimes(wasRight ? 1 / TIMES_SCATTER.factor : TIMES_SCATTER.factor)
  }

  #scaleTimes(factor: number): void {
    const { least, most } = TIMES_SCATTER
    this.#timesScatter = Math.min(most, Math.max(least, this.#timesScatter * factor))
  }

  /** Mean deviation of the newest pictures, of which there are as many. */
  #meanOf(pictures: number): number {
    let sum = 0
    for (let index = this.#newest.length - pictures; index < this.#newest.length; index += 1)
      sum += this.#newest[index]!
    return sum / pictures
  }
}
