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
const VERSION = 2
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
  source: string
  /** What becomes of the source before noise is added. */
  filter: string
  seconds: number
}

const WIDE = 'scale=1920:1440,crop=1920:1080'

/** Scenes by name; each from a clip of the assets folder. */
export const SCENES = {
  /** One picture of an empty room, shown on: nothing moves but the noise. */
  quiet: {
    source: 'one-by-one-person.mp4',
    filter: 'loop=-1:size=1,setpts=N/10/TB,scale=1920:1080',
    seconds: 30,
  },
  /** A square with people in view all the time. */
  busy: { source: 'vtest.avi', filter: WIDE, seconds: 30 },
  /** A room that people enter one by one. */
  room: { source: 'one-by-one-person.mp4', filter: 'scale=1920:1080', seconds: 75 },
  /** A car park seen from far away, with a walker of a ninth of the height and cyclists. */
  carPark: { source: 'person-bicycle-car.mp4', filter: 'scale=1920:1080', seconds: 38 },
} as const satisfies Record<string, Scene>

export type SceneName = keyof typeof SCENES

/** The Matroska file of a scene. @throws Error that says which clip is missing. */
export async function sceneFile(name: SceneName, rate: RateControl): Promise<string> {
  const scene: Scene = SCENES[name]
  const source = join(assetsFolder(), 'video', scene.source)
  if (!existsSync(source))
    throw new Error(
      `edge-density needs ${source}: set PATROLHUB_ASSETS to a folder with video/${scene.source}`,
    )
  const file = join(CACHE, `${name}-${rate}-${VERSION}.mkv`)
  if (existsSync(file)) return file
  console.log(`  coding the scene ${name} (${rate}), once`)
  mkdirSync(CACHE, { recursive: true })
  const part = `${file}.${process.pid}.part`
  await run('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-i', source, '-an'],
    ...['-vf', `${scene.filter},framerate=${FPS},noise=alls=3:allf=t,format=yuv420p`],
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
