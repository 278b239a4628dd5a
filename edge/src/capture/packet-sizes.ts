/**
 * Tells from the sizes of compressed pictures alone that something has begun to move. Sizes in, a claim out; nothing
 * is decoded. Pure.
 *
 * A picture that is predicted from the one before holds what has changed. How much that is without any movement depends
 * on noise, light, rate control, and on how long ago the key frame was (the first pictures after it are unlike the
 * others): so each picture is compared with those at the same place of earlier groups, on a logarithmic scale, and a
 * run of them has to be larger than their usual scatter. A camera that pads its stream to a constant rate without coding
 * more finely hides movement from this: there key frames have to show it (`ChangeWatch`).
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
/** A group has to be seen this often before its sizes mean anything. */
const LEARN_GROUPS = 3
/** It also has to be larger by this many standard errors (mean absolute deviations times 1.25, by the root of their number). */
const ERRORS = 4
/** Rate control pays for the key frame in the pictures right after it: they say nothing, ms. */
const AFTER_KEY_MS = 300
/** Each false claim raises the limit by this factor, each true one takes it back by the same; at most to the maximum. */
const CAUTION = 1.3
const MAX_CAUTION = 3

export class PacketSizes {
  /** Usual logarithm of the size by place in the group. */
  readonly #levels: number[] = []
  /** Mean absolute deviation from the level. */
  #scatter = 0.2
  #caution = 1
  #groups = 0
  #place = 0
  #keyMs = 0
  #run: number[] = []

  /**
   * One coded picture in decoding order, by its size or difficulty (`PictureDifficulty`). True if the last ones are larger
   * than they can be by chance. `isQuiet` says that nothing is known to move: only then is there anything to learn.
   */
  observe(bytes: number, isKeyFrame: boolean, ptsMs: number, isQuiet: boolean): boolean {
    if (isKeyFrame) {
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
    this.#run.push(deviation)
    if (this.#run.length > LONGEST_RUN) this.#run.shift()
    if (isQuiet) {
      this.#levels[this.#place] = level + FOLLOW * deviation
      const counted = Math.min(Math.abs(deviation), Math.max(LEAST_CLIP, SCATTER_CLIP * this.#scatter))
      this.#scatter += FOLLOW_SCATTER * (counted - this.#scatter)
    }
    if (this.#groups <= LEARN_GROUPS || ptsMs - this.#keyMs < AFTER_KEY_MS) return false
    return RUNS.some(({ pictures, minRise }) => this.#hasRisen(pictures, minRise))
  }

  /** Whether the last claim was right: something really moved, or nothing did. */
  learn(wasRight: boolean): void {
    this.#run = []
    const factor = wasRight ? 1 / CAUTION : CAUTION
    this.#caution = Math.min(MAX_CAUTION, Math.max(1, this.#caution * factor))
  }

  #hasRisen(pictures: number, minRise: number): boolean {
    const run = this.#run
    if (run.length < pictures) return false
    let sum = 0
    for (let index = run.length - pictures; index < run.length; index += 1) sum += run[index]!
    const limit = Math.max(minRise, (ERRORS * 1.25 * this.#scatter) / Math.sqrt(pictures))
    return sum / pictures > limit * this.#caution
  }
}
