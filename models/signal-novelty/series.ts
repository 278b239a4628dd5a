/**
 * Series of the kinds that are monitored (counts of vehicles, speeds, occupancies, travel times, levels, temperatures,
 * loads that come in bursts), with anomalies of which the beginning is known. Everything comes from the seed; no
 * recording of any real place is in it.
 */
import { ANOMALIES, type Controls, makeControls } from './anomalies.ts'
import type { Random } from './random.ts'

export interface LabelledSeries {
  atMs: Float64Array
  values: Float64Array
  anomalies: { beginsAt: number; endsAt: number }[]
}

/** The value at an index, before it is scaled: about 0 to 10. */
type Course = (index: number) => number
type Habit = (index: number, roll: number) => number

interface Setting {
  random: Random
  controls: Controls
  /** 0 to about 2: what is usual at this time of the day and the week, `roll` of a day later. */
  habit: Habit
  /** Time of the day, 0 to 1. */
  clock: Habit
  valuesADay: number
}

const DAY_MS = 86_400_000
const STEPS_MINUTES = [1, 5, 5, 5, 10, 15, 30, 60]
const WEEK = [1, 1, 1, 1, 1.05, 0.8, 0.65]

const COURSES: readonly ((setting: Setting) => Course)[] = [
  flow,
  flow,
  speed,
  occupancy,
  travelTime,
  travelTime,
  level,
  temperature,
  bursts,
  bursts,
  clockwork,
  noise,
  shifts,
  steps,
  peaks,
]

export function makeSeries(random: Random): LabelledSeries {
  const stepMs = random.pick(STEPS_MINUTES) * 60_000
  const length = random.integer(1200, 4500)
  const { controls, anomalies } = plan(random, length, DAY_MS / stepMs)
  const atMs = times(random, controls, stepMs)
  const phase = random.next()
  const days = random.chance(0.6) ? WEEK.map((share) => share ** random.between(0.3, 2)) : WEEK.map(() => 1)
  const clock: Habit = (index, roll) => (atMs[index]! / DAY_MS + phase + roll) % 1
  const shape = dayShape(random)
  const habit: Habit = (index, roll) =>
    days[Math.floor(atMs[index]! / DAY_MS + phase) % 7]! * shape(clock(index, roll))
  const course = random.pick(COURSES)({ random, controls, habit, clock, valuesADay: DAY_MS / stepMs })
  const values = new Float64Array(length)
  for (let index = 0; index < length; index++) {
    const value = course(index)
    const held = controls.held[index]!
    values[index] = held === 2 ? 0 : held === 1 && index > 0 ? values[index - 1]! : value
  }
  finish(random, values)
  return { atMs, values, anomalies }
}

/** Up to three anomalies, clear of each other and of the first part of the series. */
function plan(random: Random, length: number, valuesADay: number) {
  const controls = makeControls(length)
  const anomalies: LabelledSeries['anomalies'] = []
  const count = random.chance(0.15) ? 0 : random.integer(1, 3)
  const window = Math.floor((0.1 * length) / Math.max(1, count))
  let clearFrom = Math.floor(0.15 * length)
  for (let number = 0; number < count; number++) {
    const latest = Math.floor(length * (0.2 + (0.75 * (number + 1)) / count))
    if (latest - clearFrom < 50) continue
    const beginsAt = random.integer(clearFrom + 20, latest - 10)
    const lasts = random.integer(Math.max(3, window >> 2), Math.max(8, window * 2))
    random.pick(ANOMALIES)({
      controls,
      beginsAt,
      lasts,
      sign: random.chance(0.65) ? 1 : -1,
      size: random.logBetween(1.2, 6),
      valuesADay,
      random,
    })
    anomalies.push({ beginsAt, endsAt: Math.min(length - 1, beginsAt + Math.max(12, window >> 1)) })
    clearFrom = beginsAt + Math.max(lasts, window)
  }
  return { controls, anomalies }
}

/** Regular times, with a value missing here and there in some series. */
function times(random: Random, controls: Controls, stepMs: number): Float64Array {
  const missing = random.chance(0.3) ? random.logBetween(2e-4, 2e-2) : 0
  let atMs = 1.4e12
  return controls.pause.map((steps) => {
    atMs += stepMs * (1 + steps + (random.chance(missing) ? random.integer(1, 3) : 0))
    return atMs
  })
}

/** A day with two peaks over a slow wave. */
function dayShape(random: Random): (clock: number) => number {
  const peaks = [0.33, 0.72].map((at) => ({
    at: at + 0.04 * random.normal(),
    width: random.between(0.02, 0.07),
    height: random.between(0.3, 1),
  }))
  const wave = random.between(0.1, 0.5)
  return (clock) => {
    let sum = wave * (0.5 - 0.5 * Math.cos(2 * Math.PI * (clock - 0.1)))
    for (const { at, width, height } of peaks) {
      const away = Math.min(Math.abs(clock - at), 1 - Math.abs(clock - at))
      sum += height * Math.exp(-0.5 * (away / width) ** 2)
    }
    return sum
  }
}

/** Noise with memory, of deviation 1. */
function correlated(random: Random): () => number {
  const memory = random.between(0.2, 0.97)
  let last = 0
  return () => {
    last = memory * last + Math.sqrt(1 - memory * memory) * random.normal()
    return last
  }
}

function wandering(random: Random): () => number {
  const deviation = random.chance(0.5) ? random.logBetween(1e-4, 5e-3) : 0
  let at = 0
  return () => {
    at += deviation * random.normal()
    return at
  }
}

const noiseOf = (random: Random) => random.logBetween(0.02, 0.3)

function flow({ random, controls, habit }: Setting): Course {
  const mean = random.logBetween(2, 300)
  const spread = noiseOf(random)
  const odd = correlated(random)
  return (index) => {
    const rate = 0.05 + controls.habit[index]! * habit(index, controls.roll[index]!)
    const factor = controls.gain[index]! * (1 + spread * controls.noise[index]! * odd())
    return random.poisson(Math.max(0, mean * (rate * factor + 0.7 * controls.shift[index]!))) / mean
  }
}

function speed({ random, controls, habit }: Setting): Course {
  const dips = random.between(0, 0.8)
  const spread = noiseOf(random)
  const odd = correlated(random)
  return (index) => {
    const usual = controls.habit[index]! * habit(index, controls.roll[index]!)
    const noise = spread * controls.noise[index]! * odd()
    const slowed = dips * Math.min(1, usual * usual * (1 + 2 * noise)) * controls.gain[index]!
    return Math.max(0.02, 1 - slowed + 0.2 * noise - 0.25 * controls.shift[index]!)
  }
}

function occupancy({ random, controls, habit }: Setting): Course {
  const spread = noiseOf(random)
  const odd = correlated(random)
  return (index) => {
    const usual = controls.habit[index]! * habit(index, controls.roll[index]!) * controls.gain[index]!
    const noisy = usual * Math.exp(spread * controls.noise[index]! * odd())
    return Math.max(0, noisy + controls.shift[index]! + 0.02 * Math.abs(random.normal()))
  }
}

function travelTime({ random, controls, habit }: Setting): Course {
  const spread = noiseOf(random)
  const odd = correlated(random)
  const jams = random.logBetween(5e-4, 0.05)
  return (index) => {
    const usual =
      1 + 0.5 * controls.habit[index]! * habit(index, controls.roll[index]!) * controls.gain[index]!
    const jam = random.chance(jams * controls.rate[index]!) ? random.exponential() : 0
    return (
      usual + Math.abs(spread * controls.noise[index]! * odd()) + jam + Math.max(-0.5, controls.shift[index]!)
    )
  }
}

function level({ random, controls }: Setting): Course {
  const spread = noiseOf(random)
  const odd = correlated(random)
  const walk = wandering(random)
  return (index) =>
    2 + spread * controls.noise[index]! * controls.gain[index]! * odd() + 3 * walk() + controls.shift[index]!
}

function temperature({ random, controls, habit }: Setting): Course {
  const spread = noiseOf(random)
  const odd = correlated(random)
  const walk = wandering(random)
  return (index) => {
    const usual = 0.3 * controls.habit[index]! * habit(index, controls.roll[index]!) * controls.gain[index]!
    return 3 + usual + spread * controls.noise[index]! * odd() + 2 * walk() + controls.shift[index]!
  }
}

/** A load that is nothing for most of the time. */
function bursts({ random, controls }: Setting): Course {
  const begins = random.logBetween(5e-4, 0.03)
  const ends = random.between(0.05, 0.6)
  const variety = random.logBetween(0.02, 0.6)
  const odd = correlated(random)
  let isOn = false
  let height = 1
  return (index) => {
    if (isOn) isOn = !random.chance(ends)
    else if (random.chance(Math.min(0.5, begins * controls.rate[index]!))) {
      isOn = true
      height = Math.abs(1 + variety * random.normal())
    }
    const load = isOn ? height * controls.gain[index]! * (1 + 0.05 * random.normal()) : 0
    return 0.02 + load + 0.01 * Math.abs(odd()) * controls.noise[index]! + controls.shift[index]!
  }
}

/** A peak every so many values. */
function clockwork({ random, controls, valuesADay }: Setting): Course {
  const period = Math.max(4, Math.floor(valuesADay / random.pick([1, 1, 2, 4, 24])))
  const height = random.logBetween(1, 20)
  const variety = random.logBetween(0.01, 0.5)
  const first = random.integer(0, period - 1)
  const lasts = random.integer(1, 4)
  const spread = noiseOf(random)
  const odd = correlated(random)
  return (index) => {
    const rate = controls.rate[index]!
    const every = rate > 1 ? Math.max(2, period >> 1) : period
    const isOn = rate >= 1 && (index + first + (controls.roll[index]! > 0 ? 7 : 0)) % every < lasts
    const peak = isOn ? controls.gain[index]! * controls.habit[index]! * (1 + variety * random.normal()) : 0
    return 1 + 0.3 * spread * controls.noise[index]! * odd() + height * (peak + controls.shift[index]!)
  }
}

function noise({ random, controls }: Setting): Course {
  const walk = wandering(random)
  const isEven = random.chance(0.3)
  return (index) => {
    const odd = isEven ? random.between(-0.5, 0.5) : 0.3 * random.normal()
    return 2 + odd * controls.noise[index]! * controls.gain[index]! + controls.shift[index]! + walk()
  }
}

/** Something that is on in working hours. */
function shifts({ random, controls, clock }: Setting): Course {
  const spread = random.chance(0.3) ? 0.003 : 0.15 * noiseOf(random)
  const [from, to] = [random.between(0.2, 0.45), random.between(0.55, 0.95)]
  return (index) => {
    const time = clock(index, controls.roll[index]!)
    const isOn = time > from && time < to
    const on = isOn ? 0.8 * controls.habit[index]! * controls.gain[index]! : 0
    return 0.2 + on + spread * random.normal() * controls.noise[index]! + 0.8 * controls.shift[index]!
  }
}

/** One of four levels at a time. */
function steps({ random, controls }: Setting): Course {
  let at = random.integer(0, 3)
  return (index) => {
    if (random.chance(0.02 * controls.rate[index]!)) at = random.integer(0, 3)
    return (
      0.5 * at * controls.gain[index]! +
      0.02 * random.normal() * controls.noise[index]! +
      controls.shift[index]!
    )
  }
}

/** Calm, with rare peaks of any height. */
function peaks({ random, controls }: Setting): Course {
  const rate = random.logBetween(5e-4, 0.05)
  const spread = 0.3 * noiseOf(random)
  const odd = correlated(random)
  const walk = wandering(random)
  return (index) => {
    const peak = random.chance(rate * controls.rate[index]!)
      ? random.exponential() * controls.gain[index]!
      : 0
    return 0.3 + spread * controls.noise[index]! * odd() + walk() + peak + controls.shift[index]!
  }
}

/** Any unit, any offset, rounded or not. */
function finish(random: Random, values: Float64Array): void {
  const scale = random.logBetween(0.01, 1e5)
  const offset = random.chance(0.3) ? scale * random.between(-2, 10) : 0
  const resolution = random.chance(0.4) ? random.logBetween(0.001, 0.05) : 0
  for (const [index, value] of values.entries()) {
    const rounded = resolution > 0 ? Math.round(value / resolution) * resolution : value
    values[index] = offset + scale * rounded
  }
}
