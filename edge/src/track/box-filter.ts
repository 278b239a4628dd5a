/**
 * Where a box will be: a Kalman filter with constant velocity for each of centre x, centre y, width and height. They
 * do not influence each other, so four filters of two states do what one of eight would (as in SORT and ByteTrack,
 * whose matrices are block-diagonal). Noise follows the size of the box, because a near object jitters by more of
 * the picture than a far one. Process noise is that of a random acceleration, so that any frame rate is right.
 */
import type { NormBox } from '@patrolhub/protocol'

/** Standard deviation of a detector's edge, in sizes of the box. */
const MEASUREMENT_SIGMA = 0.06
/** Standard deviation of an object's acceleration, in sizes of the box a second squared. */
const ACCELERATION_SIGMA = 2
/** The same for its size, which changes slowly. */
const GROWTH_SIGMA = 0.5
/** A new object may move by this many sizes a second. */
const FIRST_VELOCITY_SIGMA = 1.5

/** Position and velocity of one coordinate, with their covariance. */
class Coordinate {
  position: number
  velocity = 0
  #pp: number
  #pv = 0
  #vv: number

  constructor(position: number, size: number) {
    this.position = position
    this.#pp = (MEASUREMENT_SIGMA * size) ** 2
    this.#vv = (FIRST_VELOCITY_SIGMA * size) ** 2
  }

  predict(seconds: number, size: number, accelerationSigma: number): void {
    const noise = (accelerationSigma * size) ** 2
    this.position += this.velocity * seconds
    this.#pp += 2 * seconds * this.#pv + seconds ** 2 * this.#vv + (noise * seconds ** 4) / 4
    this.#pv += seconds * this.#vv + (noise * seconds ** 3) / 2
    this.#vv += noise * seconds ** 2
  }

  correct(measured: number, size: number): void {
    const innovation = measured - this.position
    const variance = this.#pp + (MEASUREMENT_SIGMA * size) ** 2
    const gainPosition = this.#pp / variance
    const gainVelocity = this.#pv / variance
    this.position += gainPosition * innovation
    this.velocity += gainVelocity * innovation
    this.#vv -= gainVelocity * this.#pv
    this.#pv -= gainPosition * this.#pv
    this.#pp -= gainPosition * this.#pp
  }
}

/** Boxes may be this small, so that a degenerate one does not make the noise vanish. */
const MIN_SIZE = 1e-4

export class BoxFilter {
  readonly #x: Coordinate
  readonly #y: Coordinate
  readonly #width: Coordinate
  readonly #height: Coordinate

  constructor(box: NormBox) {
    const { x, y, width, height } = centred(box)
    this.#x = new Coordinate(x, width)
    this.#y = new Coordinate(y, height)
    this.#width = new Coordinate(width, width)
    this.#height = new Coordinate(height, height)
  }

  /** Where the box is believed to be; may lie partly outside the picture. */
  get box(): [number, number, number, number] {
    const width = Math.max(MIN_SIZE, this.#width.position)
    const height = Math.max(MIN_SIZE, this.#height.position)
    const { position: x } = this.#x
    const { position: y } = this.#y
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
  }

  /** Lets time pass. `seconds` >= 0. */
  predict(seconds: number): void {
    const width = Math.max(MIN_SIZE, this.#width.position)
    const height = Math.max(MIN_SIZE, this.#height.position)
    this.#x.predict(seconds, width, ACCELERATION_SIGMA)
    this.#y.predict(seconds, height, ACCELERATION_SIGMA)
    this.#width.predict(seconds, width, GROWTH_SIGMA)
    this.#height.predict(seconds, height, GROWTH_SIGMA)
  }

  correct(box: NormBox): void {
    const { x, y, width, height } = centred(box)
    this.#x.correct(x, width)
    this.#y.correct(y, height)
    this.#width.correct(width, width)
    this.#height.correct(height, height)
  }
}

function centred([x1, y1, x2, y2]: NormBox): { x: number; y: number; width: number; height: number } {
  return {
    x: (x1 + x2) / 2,
    y: (y1 + y2) / 2,
    width: Math.max(MIN_SIZE, x2 - x1),
    height: Math.max(MIN_SIZE, y2 - y1),
  }
}
