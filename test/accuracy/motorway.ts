/**
 * A motorway from a mast, drawn in perspective: three lanes that lead away, vehicles at 120 km/h all the time, and
 * somebody who walks. Vehicles and the walker are cut out of a recording; road and verges are drawn.
 */
import { Random } from '../simulator/random.ts'
import { matteOf, type Picture } from './raw-video.ts'

/** Something cut out: colours and opacity, both as the recording has them. */
interface Sprite {
  widthPx: number
  heightPx: number
  /** Red, green, blue, opacity, 0..255. */
  rgba: Float32Array
}

const WIDTH = 1920
const HEIGHT = 1080
export const MOTORWAY_SIZE = { widthPx: WIDTH, heightPx: HEIGHT }
const FPS = 12
const SECONDS = 60
const HORIZON_PX = 200
/** Pixels of a metre at the nearest point, whose distance counts as 1. */
const METRE_PX = 115
/** What lies this many times as far away is at the end of the road. */
const FARTHEST = 9
/** Metres of way for each time the nearest distance. */
const METRES_A_DEPTH = 16
const LANES_M = [-3.6, 0, 3.6]
const SHOULDER_M = 6.6
const VEHICLE_METRES = 1.9
const SPEED_M = 33
const WALKER_METRES = 1.75
const WALKING_M = 1.4

/** Where the walker is at a second, if anywhere: along the hard shoulder towards the camera, then across the lanes. */
export const WALKS = [
  { fromSeconds: 15, toSeconds: 40 },
  { fromSeconds: 46, toSeconds: 56 },
] as const

function walkerAt(seconds: number): { depth: number; metres: number } | undefined {
  const [along, across] = WALKS
  if (seconds >= along.fromSeconds && seconds < along.toSeconds)
    return { depth: 5.5 - ((seconds - along.fromSeconds) * WALKING_M) / METRES_A_DEPTH, metres: SHOULDER_M }
  if (seconds >= across.fromSeconds && seconds < across.toSeconds)
    return { depth: 4, metres: SHOULDER_M - (seconds - across.fromSeconds) * WALKING_M }
  return undefined
}

/** `source` is the recording person-bicycle-car, `empty` its place without anybody. */
export async function* motorway(source: AsyncIterable<Picture>, empty: Picture): AsyncGenerator<Picture> {
  const { car, walker } = await cutOut(source, empty)
  const road = paintRoad()
  const random = new Random(11)
  const vehicles: { depth: number; lane: number; paint: number[] }[] = []
  let nextAt = 0
  for (let index = 0; index < SECONDS * FPS; index++) {
    const seconds = index / FPS
    if (seconds >= nextAt) {
      const paint = [0, 1, 2].map(() => random.between(0.6, 1.3))
      vehicles.push({ depth: 0.8, lane: LANES_M[Math.floor(random.between(0, 3))]!, paint })
      nextAt = seconds + random.between(0.5, 1.6)
    }
    const picture: Picture = { ...MOTORWAY_SIZE, data: Buffer.from(road) }
    for (const vehicle of vehicles) vehicle.depth += SPEED_M / FPS / METRES_A_DEPTH
    while (vehicles[0] && vehicles[0].depth > FARTHEST) vehicles.shift()
    const things = vehicles.map(({ depth, lane, paint }) => ({
      depth,
      draw: () =>
        draw(picture, car, { ...placeOf(depth, lane), widthPx: (VEHICLE_METRES * METRE_PX) / depth, paint }),
    }))
    const at = walkerAt(seconds)
    if (at) {
      const step = walker[index % walker.length]!
      const widthPx = ((WALKER_METRES * METRE_PX) / at.depth) * (step.widthPx / step.heightPx)
      const place = placeOf(at.depth, at.metres)
      things.push({ depth: at.depth, draw: () => draw(picture, step, { ...place, widthPx }) })
    }
    // What is near hides what is far.
    for (const thing of things.sort((a, b) => b.depth - a.depth)) thing.draw()
    yield picture
  }
}

/** Where something at this distance and so far beside the middle of the road stands. */
function placeOf(depth: number, metres: number): { x: number; y: number } {
  return { x: WIDTH / 2 + (metres * METRE_PX) / depth, y: HORIZON_PX + (HEIGHT - HORIZON_PX) / depth }
}

function paintRoad(): Buffer {
  const random = new Random(3)
  const data = Buffer.alloc(WIDTH * HEIGHT * 3)
  for (let y = 0; y < HEIGHT; y++) {
    const depth = y > HORIZON_PX ? (HEIGHT - HORIZON_PX) / (y - HORIZON_PX) : Number.POSITIVE_INFINITY
    for (let x = 0; x < WIDTH; x++) {
      const metres = ((x - WIDTH / 2) * depth) / METRE_PX
      const at = (y * WIDTH + x) * 3
      const grain = random.between(-7, 7)
      for (const [channel, value] of colourOf(metres, depth).entries()) data[at + channel] = value + grain
    }
  }
  return data
}

function colourOf(metres: number, depth: number): number[] {
  if (depth > FARTHEST * 2) return [170, 185, 200]
  const isLine =
    [-1.8, 1.8].some((line) => Math.abs(metres - line) < 0.08) && (depth * METRES_A_DEPTH) % 12 < 4
  const isRim = [-5.4, 5.4].some((line) => Math.abs(metres - line) < 0.1)
  if (isLine || isRim) return [205, 205, 200]
  if (Math.abs(metres) < 8) return [104, 104, 108]
  return [88, 108, 70]
}

/** Scales the sprite down to this width; its lower edge stands at (x, y). */
function draw(
  { data }: Picture,
  { widthPx, heightPx, rgba }: Sprite,
  to: { x: number; y: number; widthPx: number; paint?: readonly number[] },
): void {
  const scale = widthPx / to.widthPx
  const left = Math.round(to.x - to.widthPx / 2)
  const top = Math.round(to.y - heightPx / scale)
  for (let row = Math.max(0, -top); row < heightPx / scale && top + row < HEIGHT; row++) {
    for (let column = Math.max(0, -left); column < to.widthPx && left + column < WIDTH; column++) {
      const [red, green, blue, opacity] = meanOf(rgba, widthPx, heightPx, column * scale, row * scale, scale)
      const at = ((top + row) * WIDTH + left + column) * 3
      for (const [channel, value] of [red, green, blue].entries()) {
        const shade = Math.min(255, value * (to.paint?.[channel] ?? 1))
        data[at + channel] = Math.round(data[at + channel]! * (1 - opacity / 255) + (shade * opacity) / 255)
      }
    }
  }
}

/** Mean over a square of the sprite, so that what is small does not flicker. */
function meanOf(
  rgba: Float32Array,
  widthPx: number,
  heightPx: number,
  x: number,
  y: number,
  size: number,
): [number, number, number, number] {
  const sums: [number, number, number, number] = [0, 0, 0, 0]
  let count = 0
  const right = Math.min(widthPx, Math.max(x + size, Math.floor(x) + 1))
  const bottom = Math.min(heightPx, Math.max(y + size, Math.floor(y) + 1))
  for (let row = Math.floor(y); row < bottom; row++)
    for (let column = Math.floor(x); column < right; column++, count++)
      for (let channel = 0; channel < 4; channel++)
        sums[channel]! += rgba[(row * widthPx + column) * 4 + channel]!
  return sums.map((sum) => sum / Math.max(1, count)) as typeof sums
}

/** Seconds of the recording, and the part of its picture, in which each of them is to be seen alone. */
const CAR = { fromSeconds: 30.0, toSeconds: 30.1, box: [0.15, 0.25, 0.5, 1] }
const WALKER = { fromSeconds: 25.4, toSeconds: 27.2, box: [0, 0.02, 0.25, 0.3] }

async function cutOut(source: AsyncIterable<Picture>, empty: Picture) {
  const car: Sprite[] = []
  const walker: Sprite[] = []
  let index = 0
  for await (const picture of source) {
    const seconds = index++ / FPS
    if (seconds >= CAR.fromSeconds && seconds < CAR.toSeconds) car.push(cut(picture, empty, CAR.box))
    if (seconds >= WALKER.fromSeconds && seconds < WALKER.toSeconds)
      walker.push(cut(picture, empty, WALKER.box))
  }
  return { car: car[0]!, walker }
}

/** What is not in the empty place, inside the box, cut to its outline. */
function cut(picture: Picture, empty: Picture, box: readonly number[]): Sprite {
  const { widthPx: width, heightPx: height, data } = picture
  const matte = matteOf(picture, empty, [14, 34])
  const [x1, y1, x2, y2] = box.map((part, side) => Math.round(part * (side % 2 ? height : width))) as number[]
  const columns: number[] = []
  const rows: number[] = []
  for (let y = y1!; y < y2!; y++)
    for (let x = x1!; x < x2!; x++) {
      if (matte[y * width + x]! < 0.9) continue
      columns.push(x)
      rows.push(y)
    }
  columns.sort((a, b) => a - b)
  rows.sort((a, b) => a - b)
  // A few stray pixels are no part of it.
  const rim = (values: number[], part: number) => values[Math.floor(part * (values.length - 1))]!
  const [left, right, top, bottom] = [
    rim(columns, 0.004),
    rim(columns, 0.996),
    rim(rows, 0.004),
    rim(rows, 0.996),
  ]
  const widthPx = right! - left! + 1
  const heightPx = bottom! - top! + 1
  const rgba = new Float32Array(widthPx * heightPx * 4)
  for (let row = 0; row < heightPx; row++)
    for (let column = 0; column < widthPx; column++) {
      const from = (top! + row) * width + left! + column
      const to = (row * widthPx + column) * 4
      for (let channel = 0; channel < 3; channel++) rgba[to + channel] = data[from * 3 + channel]!
      rgba[to + 3] = matte[from]! * 255
    }
  return { widthPx, heightPx, rgba }
}
