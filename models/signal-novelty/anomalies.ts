/** What can go wrong with a series, as changes of the numbers that its course is made of. */
import type { Random } from './random.ts'

/** For each value; all ordinary unless an anomaly has changed them. */
export interface Controls {
  gain: Float64Array
  shift: Float64Array
  noise: Float64Array
  habit: Float64Array
  rate: Float64Array
  /** Share of a day by which the habit is late. */
  roll: Float64Array
  /** Steps that are missing before the value. */
  pause: Float64Array
  /** 1: stuck at the value before; 2: nothing. */
  held: Uint8Array
}

export interface Occasion {
  controls: Controls
  beginsAt: number
  /** Values. */
  lasts: number
  sign: 1 | -1
  size: number
  valuesADay: number
  random: Random
}

export function makeControls(length: number): Controls {
  const ones = () => new Float64Array(length).fill(1)
  const zeros = () => new Float64Array(length)
  return {
    gain: ones(),
    shift: zeros(),
    noise: ones(),
    habit: ones(),
    rate: ones(),
    roll: zeros(),
    pause: zeros(),
    held: new Uint8Array(length),
  }
}

type Anomaly = (occasion: Occasion) => void

/** Each as often as it stands here. */
export const ANOMALIES: readonly Anomaly[] = [
  spike,
  spike,
  unrest,
  levelShift,
  levelShift,
  excursion,
  otherSpread,
  stuck,
  nothing,
  missedHabit,
  strangeHour,
  drift,
  otherRate,
  otherRate,
  otherGain,
  late,
  silence,
]

function during(
  { controls, beginsAt, lasts }: Occasion,
  change: (index: number, since: number) => void,
): void {
  const end = Math.min(controls.shift.length, beginsAt + lasts)
  for (let index = beginsAt; index < end; index++) change(index, index - beginsAt)
}

function spike(occasion: Occasion): void {
  const { controls, sign, size, lasts } = occasion
  during({ ...occasion, lasts: 1 + (lasts % 4) }, (index) => {
    controls.shift[index]! += 1.2 * sign * size
  })
}

function unrest(occasion: Occasion): void {
  const { controls, sign, size, random } = occasion
  during(occasion, (index, since) => {
    if (since === 0 || random.chance(0.15)) controls.shift[index]! += sign * size * random.between(0.5, 1.2)
  })
}

function levelShift(occasion: Occasion): void {
  const { controls, sign, size } = occasion
  during({ ...occasion, lasts: Number.POSITIVE_INFINITY }, (index) => {
    controls.shift[index]! += 0.5 * sign * size
  })
}

function excursion(occasion: Occasion): void {
  const { controls, sign, size } = occasion
  during(occasion, (index) => {
    controls.shift[index]! += 0.6 * sign * size
  })
}

function otherSpread(occasion: Occasion): void {
  const { controls, sign, size } = occasion
  during(occasion, (index) => {
    controls.noise[index]! *= sign > 0 ? 1.5 + size : 0.15
  })
}

function stuck(occasion: Occasion): void {
  during(occasion, (index) => {
    occasion.controls.held[index] = 1
  })
}

function nothing(occasion: Occasion): void {
  during(occasion, (index) => {
    occasion.controls.held[index] = 2
  })
}

function missedHabit(occasion: Occasion): void {
  during(occasion, (index) => {
    occasion.controls.habit[index] = 0
  })
}

function strangeHour(occasion: Occasion): void {
  during(occasion, (index) => {
    occasion.controls.roll[index] = 0.5
  })
}

function late(occasion: Occasion): void {
  during(occasion, (index) => {
    occasion.controls.roll[index] = 0.35
  })
}

function drift(occasion: Occasion): void {
  const { controls, sign, size, lasts } = occasion
  during(occasion, (index, since) => {
    controls.shift[index]! += (sign * size * since) / lasts
  })
}

function otherRate(occasion: Occasion): void {
  const { controls, sign, size } = occasion
  during(occasion, (index) => {
    controls.rate[index]! *= sign > 0 ? 2 + 3 * size : 0.1
  })
}

function otherGain(occasion: Occasion): void {
  const { controls, sign, size } = occasion
  during(occasion, (index) => {
    controls.gain[index]! *= sign > 0 ? 1 + 0.6 * size : 0.3
  })
}

function silence({ controls, beginsAt, size }: Occasion): void {
  controls.pause[beginsAt] = Math.round(10 * size)
}
