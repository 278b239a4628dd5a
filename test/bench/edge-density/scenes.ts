/**
 * What the cameras of the edge-density bench show: 1080p25, GOP 2 s, coded as a camera does (no B-frames, one reference,
 * no look-ahead), from real footage with the noise of a sensor, at most 4 Mbit/s. Made once and kept.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { assetsFolder, REPOSITORY } from '../../simulator/footage.ts'

const run = promisify(execFile)
const CACHE = join(REPOSITORY, '.cache', 'footage', 'density')
/** Part of the file names: change it when the clips change. */
const VERSION = 5
const FPS = 25
const GOP = 2 * FPS

/**
 * How a camera meets its rate. `cbr` spends 4 Mbit/s whatever it sees, so that its packets tell little; `vbr` spends
 * what the picture needs, at most 4 Mbit/s.
 */
export type RateControl = 'cbr' | 'vbr'

const RATES: Readonly<Record<RateControl, string[]>> = {
  cbr: ['-b:v', '4M', '-maxrate', '4M', '-bufsize', '2M'],
  vbr: ['-crf', '25', '-maxrate', '4M', '-bufsize', '4M'],
}

export interface Scene {
  /** Clips of the assets folder. */
  sources: readonly string[]
  /** From the inputs `[0:v]`, `[1:v]` … to `[seen]`, before noise is added. */
  graph: string
  seconds: number
}

const ROOM = 'one-by-one-person.mp4'
const CAR_PARK = 'person-bicycle-car.mp4'
const SQUARE = 'vtest.avi'

/** Who comes into view where: the clip's number below, and the second at which they can be seen. */
const ENTRANCES = [
  { clip: 0, second: 6 },
  { clip: 0, second: 22.7 },
  { clip: 1, second: 24.5 },
  { clip: 0, second: 50.5 },
  { clip: 0, second: 74.4 },
] as const
/**
 * Before each, an empty stretch of the same footage runs forwards and backwards: as noisy as what follows and without a
 * jump, so that nothing but the person can wake anybody. Long enough that the cut before it is forgotten, and each time
 * another length, so that key frames fall anywhere.
 */
const EMPTY_FRAMES = 10
const EMPTY_TIMES = 8
const LEAD_SECONDS = 2
const SHOWN_SECONDS = 5

function entranceGraph(): string {
  const parts = ENTRANCES.map(({ clip, second }, index) => {
    const from = second - LEAD_SECONDS
    const frames = EMPTY_FRAMES + index
    return (
      `[${clip}:v]fps=10,trim=${from}:${from + SHOWN_SECONDS},setpts=PTS-STARTPTS,split=3[on${index}][back${index}][then${index}];` +
      `[on${index}]trim=end_frame=${frames}[forth${index}];` +
      `[back${index}]trim=start_frame=1:end_frame=${frames - 1},setpts=PTS-STARTPTS,reverse[and${index}];` +
      `[forth${index}][and${index}]concat,loop=loop=${EMPTY_TIMES - 1}:size=${2 * frames - 2}:start=0,setpts=N/10/TB[empty${index}];` +
      `[empty${index}][then${index}]concat,setpts=N/10/TB,scale=1920:1080,setsar=1[part${index}]`
    )
  })
  const all = ENTRANCES.map((_, index) => `[part${index}]`).join('')
  return [...parts, `${all}concat=n=${ENTRANCES.length}[seen]`].join(';')
}

/** Scenes by name. */
export const SCENES = {
  /** One picture of an empty room, shown on: nothing moves but the noise. */
  quiet: { sources: [ROOM], graph: '[0:v]loop=-1:size=1,setpts=N/10/TB,scale=1920:1080[seen]', seconds: 180 },
  /** A square with people in view all the time. */
  busy: { sources: [SQUARE], graph: '[0:v]scale=1920:1440,crop=1920:1080[seen]', seconds: 60 },
  /** A room and a car park, each empty and quiet until somebody comes: large and near, or a ninth of the height. */
  entrances: { sources: [ROOM, CAR_PARK], graph: entranceGraph(), seconds: 113 },
} as const satisfies Record<string, Scene>

export type SceneName = keyof typeof SCENES

/**
 * The Matroska file of a scene. Begun `cutMs` later, its key frames lie elsewhere in what it shows.
 * @throws Error that says which clip is missing.
 */
export async function sceneFile(name: SceneName, rate: RateControl, cutMs = 0): Promise<string> {
  const scene: Scene = SCENES[name]
  const sources = scene.sources.map((name) => join(assetsFolder(), 'video', name))
  const missing = sources.find((source) => !existsSync(source))
  if (missing)
    throw new Error(`edge-density needs ${missing}: set PATROLHUB_ASSETS to the folder of test assets`)
  const file = join(CACHE, `${name}-${rate}${cutMs > 0 ? `-${cutMs}ms` : ''}-${VERSION}.mkv`)
  if (existsSync(file)) return file
  console.log(`  coding the scene ${name} (${rate}, ${cutMs} ms cut), once`)
  mkdirSync(CACHE, { recursive: true })
  const part = `${file}.${process.pid}.part`
  await run('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', ...sources.flatMap((source) => ['-i', source]), '-an'],
    '-filter_complex',
    `${scene.graph};[seen]framerate=${FPS},trim=start=${cutMs / 1000},setpts=PTS-STARTPTS,noise=alls=3:allf=t,format=yuv420p[out]`,
    ...['-map', '[out]'],
    ...[
      '-t',
      String(scene.seconds),
      '-c:v',
      'libx264',
      '-preset',
      'veryfast',
      '-profile:v',
      'high',
      '-bf',
      '0',
    ],
    ...[
      '-g',
      String(GOP),
      '-keyint_min',
      String(GOP),
      '-sc_threshold',
      '0',
      '-refs',
      '1',
      '-rc-lookahead',
      '0',
    ],
    ...['-x264-params', 'mbtree=0:sync-lookahead=0:sliced-threads=0', ...RATES[rate]],
    ...['-f', 'matroska', part],
  ])
  renameSync(part, file)
  return file
}
