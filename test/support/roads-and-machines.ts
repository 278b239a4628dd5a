/**
 * Series of roads and machines with known events, to see how the anomaly model does on what it has not seen: a road with
 * a capacity, on which a queue forms, and a machine that is heated and loses heat. On purpose other mathematics than
 * models/signal-novelty/series.ts, from which the model has learned; nothing there is to be tuned by these.
 */
import { Random } from '../../models/signal-novelty/random.ts'

export interface UnseenSeries {
  kind: 'speed' | 'occupancy' | 'travel-time' | 'flow' | 'machine'
  atMs: Float64Array
  values: Float64Array
  events: UnseenEvent[]
}

export interface UnseenEvent {
  kind: string
  /** First row, and the row after the last. */
  from: number
  to: number
  /** 0.5 to 1. */
  size: number
  /** First and last row in which to find it: a tenth of the series around all beginnings together. */
  window: [number, number]
}

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const ROADS = ['speed', 'occupancy', 'travel-time', 'flow'] as const
const ROAD_EVENTS = ['crash', 'crash', 'crowd', 'snow', 'stuck', 'dead']
const MACHINE_EVENTS = ['stop', 'stop', 'failing', 'failing', 'shaking', 'hot']

/** Always the same series for the same numbers. */
export function makeUnseen(options: { seed: number; roads: number; machines: number }): UnseenSeries[] {
  const random = new Random(options.seed)
  return [
    ...Array.from({ length: options.roads }, (_, index) => road(random, ROADS[index % ROADS.length]!)),
    ...Array.from({ length: options.machines }, () => machine(random)),
  ]
}

/** One to three events, each in its own part of the series and after the first sixth. */
function plan(
  random: Random,
  atMs: Float64Array,
  kinds: readonly string[],
  lasts: [number, number],
): UnseenEvent[] {
  const count = random.integer(1, 3)
  const part = Math.floor((0.8 * atMs.length) / count)
  const half = Math.floor((0.05 * atMs.length) / count)
  return Array.from({ length: count }, (_, number) => {
    let from = Math.floor(0.18 * atMs.length) + number * part + random.integer(0, Math.floor(0.6 * part))
    // By night nothing comes of a crash on an empty road.
    while (hourOf(atMs[from]!) < 7 || hourOf(atMs[from]!) > 19) from += 1
    return {
      kind: random.pick(kinds),
      from,
      to: from + random.integer(...lasts),
      size: random.between(0.5, 1),
      window: [from - half, Math.min(atMs.length - 1, from + half)],
    }
  })
}

const hourOf = (atMs: number) => ((atMs % DAY_MS) / DAY_MS) * 24
const eventAt = (events: readonly UnseenEvent[], row: number) =>
  events.find(({ from, to }) => row >= from && row < to)

/** Every five or ten minutes, of which some are missing. */
function roadTimes(random: Random, length: number): Float64Array {
  const stepMs = random.pick([5, 5, 5, 10]) * MINUTE_MS
  const share = random.between(0.75, 1)
  let atMs = 1.44e12
  return Float64Array.from({ length }, () => {
    do atMs += stepMs
    while (!random.chance(share))
    return atMs
  })
}

/** What arrives, what can pass, and the queue between. */
function road(random: Random, kind: (typeof ROADS)[number]): UnseenSeries {
  const length = random.integer(1100, 2500)
  const atMs = roadTimes(random, length)
  const events = plan(random, atMs, ROAD_EVENTS, [8, 40])
  const freeKmh = random.between(70, 120)
  const capacity = random.between(60, 160)
  const demandAt = roadDemand(random, capacity)
  const values = new Float64Array(length)
  let queue = 0
  let wave = 0
  for (let row = 0; row < length; row++) {
    const event = eventAt(events, row)
    const size = event?.size ?? 0
    wave = 0.8 * wave + 0.6 * random.normal()
    const demand = demandAt(atMs[row]!) + (event?.kind === 'crowd' ? 0.8 * size * capacity : 0)
    const arriving = Math.max(0, demand * (1 + 0.08 * wave) + Math.sqrt(demand) * random.normal())
    const open = event?.kind === 'crash' ? 0.8 - 0.75 * size : event?.kind === 'snow' ? 1 - 0.35 * size : 1
    const passing = Math.min(arriving + queue, capacity * open * (1 + 0.04 * random.normal()))
    queue = Math.max(0, queue + arriving - passing)
    const packed = queue / (queue + 4 * capacity)
    const usualKmh =
      freeKmh * (event?.kind === 'snow' ? 1 - 0.4 * size : 1) * (1 - 0.12 * (passing / capacity) ** 4)
    const flowing = packed > 0.02 ? Math.max(0.12, 1 - 2.5 * packed) : 1
    const kmh = Math.max(4, usualKmh * flowing * (1 + (flowing < 1 ? 0.1 : 0.025) * random.normal()))
    values[row] = reading(random, kind, { kmh, passing, delayS: (300 * queue) / capacity })
    if (event?.kind === 'stuck') values[row] = values[event.from - 1]!
    if (event?.kind === 'dead') values[row] = 0
  }
  return { kind, atMs, values, events }
}

/** What a road's detector tells: whole km/h and vehicles, percent with two digits, whole seconds over 3 km. */
function reading(
  random: Random,
  kind: (typeof ROADS)[number],
  { kmh, passing, delayS }: { kmh: number; passing: number; delayS: number },
): number {
  if (kind === 'speed') return Math.round(kmh)
  if (kind === 'flow') return Math.round(passing)
  if (kind === 'occupancy') {
    const percent = Math.min(95, (5 * passing * random.between(0.9, 1.1)) / kmh)
    return Math.round(100 * percent) / 100
  }
  // Some stop on the way.
  const stopping = random.chance(0.012) ? random.exponential() : 0
  return Math.round((3 * 3600 * (1 + stopping)) / kmh + 0.1 * delayS)
}

/** Vehicles that want to pass in a step, by the time of the day and the week. */
function roadDemand(random: Random, capacity: number): (atMs: number) => number {
  const [morning, evening] = [random.between(6.8, 8.2), random.between(16.5, 18)]
  const load = random.between(0.6, 0.9) * capacity
  const weekend = random.between(0.5, 0.8)
  const firstDay = random.integer(0, 6)
  const days = Array.from({ length: 60 }, () => 1 + 0.06 * random.normal())
  return (atMs) => {
    const day = Math.floor(atMs / DAY_MS)
    const hump = (at: number, width: number) => 1 / (1 + ((hourOf(atMs) - at) / width) ** 4)
    const rush = 0.5 * hump(morning, 1.4) + 0.55 * hump(evening, 1.7)
    const isWeekend = (day + firstDay) % 7 >= 5
    const usual = 0.08 + 0.55 * hump(13, 7) + (isWeekend ? 0 : rush)
    return load * usual * days[day % days.length]! * (isWeekend ? weekend : 1)
  }
}

/** °C of a machine that follows its set point slowly, in a hall with a climate of its own. */
function machine(random: Random): UnseenSeries {
  const length = random.integer(4000, 10_000)
  const atMs = Float64Array.from({ length }, (_, row) => 1.38e12 + row * 5 * MINUTE_MS)
  const events = plan(random, atMs, MACHINE_EVENTS, [60, 400])
  const setPoint = random.between(70, 100)
  const inertia = random.between(0.02, 0.2)
  const unrest = random.between(0.5, 2.5)
  const swing = random.between(0.6, 2.4)
  let heat = setPoint
  let wander = 0
  let noise = 0
  const values = atMs.map((at, row) => {
    const event = eventAt(events, row)
    wander = 0.9995 * wander + 0.06 * random.normal()
    noise = 0.85 * noise + 0.5 * random.normal()
    let target = setPoint + swing * Math.sin(((hourOf(at) - 9) / 12) * Math.PI) + 1.5 * wander
    if (event?.kind === 'stop') target = 22
    if (event?.kind === 'hot') target += 18 * event.size
    if (event?.kind === 'failing') target -= (25 * event.size * (row - event.from)) / (event.to - event.from)
    heat += inertia * (target - heat)
    return heat + unrest * noise * (event?.kind === 'shaking' ? 3 + 3 * event.size : 1)
  })
  return { kind: 'machine', atMs, values, events }
}
