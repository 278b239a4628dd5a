/**
 * Scenes that the recordings do not show, put together from them: a bag that is left, somebody who stands still for
 * long, a car that was parked, somebody on a motorway. What is added lies behind the people of the recording. They are no recordings, and
 * figures from them say less; but what goes wrong in them goes wrong outside. Made once and kept in the cache.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Footage, findFootage, REPOSITORY } from '../simulator/footage.ts'
import { Random } from '../simulator/random.ts'
import { MOTORWAY_SIZE, motorway } from './motorway.ts'
import { matteOf, medianOf, type Picture, picturesOf, type Size, writeVideo } from './raw-video.ts'

const CACHE = join(REPOSITORY, '.cache', 'footage', 'scenes')
/** Part of the file name: change it when a scene changes. */
const VERSION = '2'
/** Pictures from which the empty place is made. */
const MEDIAN_OF = 21

interface Scene {
  /** The recording that it is made of. */
  of: string
  widthPx: number
  heightPx: number
  fps: number
  coding: readonly string[]
  /** Size of what is made of it, if that is another one. */
  shown?: Size
  pictures: (source: AsyncIterable<Picture>, empty: Picture, scene: Scene) => AsyncIterable<Picture>
}

const GRAIN = ['-vf', 'noise=alls=5:allf=t', '-crf', '23']
/** What a cheap line leaves of a picture. */
const POOR = ['-vf', 'noise=alls=4:allf=t', '-b:v', '180k', '-maxrate', '220k', '-bufsize', '400k']

export const SCENES: Readonly<Record<string, Scene>> = {
  'bag-on-path': {
    of: 'vtest',
    ...{ widthPx: 768, heightPx: 576, fps: 10, coding: GRAIN },
    pictures: (source, empty, { fps }) =>
      changed(source, (picture, index) => {
        const seconds = index / fps
        if (seconds >= 17) layBehind(picture, empty, bag(470, 238, 34, 24, [70, 52, 44]))
        brighten(picture, 1 + 0.1 * Math.sin(seconds / 25))
      }),
  },
  'bag-indoors': {
    of: 'one-by-one-person',
    ...{ widthPx: 768, heightPx: 432, fps: 10, coding: POOR },
    pictures: (source, empty, { fps }) =>
      changed(source, (picture, index) => {
        const seconds = index / fps
        if (seconds >= 40) layBehind(picture, empty, bag(150, 370, 56, 40, [40, 44, 60]))
        brighten(picture, 1 - 0.12 * Math.min(1, seconds / 60))
      }),
  },
  'bags-beside-edges': {
    of: 'vtest',
    ...{ widthPx: 768, heightPx: 576, fps: 10, coding: GRAIN },
    pictures: (source, empty, { fps }) =>
      withBags(source, empty, fps, [
        { fromSeconds: 14, thing: bag(217, 186, 34, 24, [62, 57, 46]) },
        { fromSeconds: 26, thing: bag(315, 158, 29, 31, [200, 178, 205]) },
        { fromSeconds: 38, thing: bag(384, 162, 33, 22, [37, 45, 69]) },
        { fromSeconds: 48, thing: bag(572, 192, 26, 31, [228, 209, 234]) },
      ]),
  },
  'bags-by-exposure': {
    of: 'one-by-one-person',
    ...{ widthPx: 768, heightPx: 432, fps: 10, coding: GRAIN },
    pictures: (source, empty, { fps }) =>
      withBags(source, empty, fps, [
        { fromSeconds: 16, thing: bag(687, 313, 58, 50, [213, 229, 235]) },
        { fromSeconds: 40, thing: bag(112, 361, 82, 62, [87, 79, 74]) },
        { fromSeconds: 70, thing: bag(200, 222, 93, 65, [62, 57, 46]) },
      ]),
  },
  'stands-still': {
    of: 'vtest',
    ...{ widthPx: 768, heightPx: 576, fps: 10, coding: GRAIN },
    pictures: (source) => held(source, 300, 450),
  },
  'parked-car': {
    of: 'person-bicycle-car',
    ...{ widthPx: 768, heightPx: 432, fps: 12, coding: GRAIN },
    pictures: (source) => held(source, 0, 480),
  },
  motorway: {
    of: 'person-bicycle-car',
    ...{ widthPx: 768, heightPx: 432, fps: 12, coding: GRAIN, shown: MOTORWAY_SIZE },
    pictures: motorway,
  },
}

/** The scene's video. @throws Error if there is no such scene, or its recording is not on this machine. */
export async function sceneFootage(name: string): Promise<Footage> {
  const scene = SCENES[name]
  if (!scene) throw new Error(`there is no scene ${name}`)
  const file = join(CACHE, `${name}-${VERSION}.mp4`)
  if (!existsSync(file)) {
    const source = (await findFootage()).find((footage) => footage.name === scene.of)
    if (!source) throw new Error(`there is no footage ${scene.of}: set PATROLHUB_ASSETS`)
    mkdirSync(CACHE, { recursive: true })
    const part = `${file}.${process.pid}.part`
    try {
      const empty = await emptyPlace(source.file, scene)
      const pictures = scene.pictures(picturesOf(source.file, scene, scene.fps), empty, scene)
      await writeVideo(part, pictures, { ...scene, ...scene.shown })
      renameSync(part, file)
    } finally {
      rmSync(part, { force: true })
    }
  }
  return { name, file, source: 'rendered' }
}

async function emptyPlace(file: string, scene: Scene): Promise<Picture> {
  const some: Picture[] = []
  for await (const picture of picturesOf(file, scene, 0.5)) some.push(picture)
  return medianOf(some.filter((_, index) => index % Math.max(1, Math.floor(some.length / MEDIAN_OF)) === 0))
}

async function* changed(
  source: AsyncIterable<Picture>,
  change: (picture: Picture, index: number) => void,
): AsyncGenerator<Picture> {
  let index = 0
  for await (const picture of source) {
    change(picture, index++)
    yield picture
  }
}

/** The picture at `from` is shown for `count` pictures more. */
async function* held(source: AsyncIterable<Picture>, from: number, count: number): AsyncGenerator<Picture> {
  let index = 0
  for await (const picture of source) {
    for (let times = index === from ? count + 1 : 1; times > 0; times--) yield picture
    index++
  }
}

/** Each bag is there from its time on. */
function withBags(
  source: AsyncIterable<Picture>,
  empty: Picture,
  fps: number,
  bags: readonly { fromSeconds: number; thing: Thing }[],
): AsyncIterable<Picture> {
  return changed(source, (picture, index) => {
    for (const { fromSeconds, thing } of bags)
      if (index / fps >= fromSeconds) layBehind(picture, empty, thing)
  })
}

interface Thing extends Pick<Picture, 'widthPx' | 'heightPx'> {
  x: number
  y: number
  /** Red, green, blue, opacity 0..255. */
  rgba: Uint8Array
}

/** A bag with a handle, a seam and a shadow. */
function bag(x: number, y: number, widthPx: number, heightPx: number, [red, green, blue]: number[]): Thing {
  const random = new Random(7)
  const rgba = new Uint8Array(widthPx * heightPx * 4)
  for (let row = 0; row < heightPx; row++) {
    for (let column = 0; column < widthPx; column++) {
      const u = (column + 0.5) / widthPx
      const v = (row + 0.5) / heightPx
      const isBody = v > 0.3 && v < 0.95 && Math.abs(u - 0.5) < 0.44 - 0.06 * (1 - v)
      const handle = Math.hypot((u - 0.5) / 0.22, (v - 0.32) / 0.28)
      const isHandle = v <= 0.32 && handle > 0.75 && handle < 1.05
      const isShadow = v >= 0.9 && Math.abs(u - 0.5) < 0.48
      const light =
        (isBody ? 1.25 - 0.5 * v - (Math.abs(v - 0.55) < 0.04 ? 0.3 : 0) : 0.6) + 0.1 * (random.next() - 0.5)
      const at = (row * widthPx + column) * 4
      rgba[at] = Math.min(255, red! * light)
      rgba[at + 1] = Math.min(255, green! * light)
      rgba[at + 2] = Math.min(255, blue! * light)
      rgba[at + 3] = isBody || isHandle ? 255 : isShadow ? 90 : 0
    }
  }
  return { x, y, widthPx, heightPx, rgba }
}

/** Paints the thing where the picture shows the empty place, so that who walks before it hides it. */
function layBehind(picture: Picture, empty: Picture, thing: Thing): void {
  const matte = matteOf(picture, empty)
  for (let row = 0; row < thing.heightPx; row++) {
    for (let column = 0; column < thing.widthPx; column++) {
      const from = (row * thing.widthPx + column) * 4
      const to = (thing.y + row) * picture.widthPx + thing.x + column
      const part = (thing.rgba[from + 3]! / 255) * (1 - matte[to]!)
      for (let channel = 0; channel < 3; channel++) {
        const at = to * 3 + channel
        picture.data[at] = Math.round(picture.data[at]! * (1 - part) + thing.rgba[from + channel]! * part)
      }
    }
  }
}

function brighten({ data }: Picture, by: number): void {
  for (let index = 0; index < data.length; index++) data[index] = Math.min(255, Math.round(data[index]! * by))
}
