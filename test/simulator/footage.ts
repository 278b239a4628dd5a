/**
 * Footage for simulated cameras: finds clips (files named by the user, the assets folder, Debian's opencv-doc package,
 * else a rendered scene) and turns each, once, into H.264 that the simulated camera can loop.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { type H264Clip, parseAnnexB } from './h264.ts'
import { openCvClip } from './opencv-doc.ts'

const execute = promisify(execFile)

export const REPOSITORY = resolve(import.meta.dirname, '..', '..')
const CACHE = join(REPOSITORY, '.cache', 'footage')
/** Part of the name of a converted clip: change it when the conversion changes. */
const CONVERSION = '1'
const MAX_SECONDS = 180
const MAX_HEIGHT_PX = 1080
const FPS_RANGE = { lowest: 5, highest: 25 } as const
const CONVERSION_TIMEOUT_MS = 300_000

export interface Footage {
  /** File name without its ending, e.g. `vtest`: what a scene is chosen by. */
  name: string
  file: string
  source: 'option' | 'assets' | 'opencv-doc' | 'rendered'
}

export interface PreparedFootage extends Footage {
  clip: H264Clip
  fps: number
}

export interface FindOptions {
  /** Files named by the user; when there are any, nothing else is looked for. */
  videos?: readonly string[]
  /** What happens, for people. */
  onProgress?: (line: string) => void
  /** Sources to leave out, for tests. */
  without?: readonly Footage['source'][]
}

/** The folder with the project's test assets, if there is one on this machine. */
export function assetsFolder(): string {
  return process.env.PATROLHUB_ASSETS ?? resolve(REPOSITORY, '..', 'shared', 'assets')
}

/**
 * Clips to show, from the first source that has any.
 * @throws Error naming the file, if a video that the user named does not exist
 */
export async function findFootage({
  videos = [],
  onProgress,
  without = [],
}: FindOptions = {}): Promise<Footage[]> {
  if (videos.length > 0) {
    return videos.map((video) => {
      const file = resolve(video)
      if (!existsSync(file)) throw new Error(`There is no video ${file}.`)
      return { name: nameOf(file), file, source: 'option' }
    })
  }
  if (!without.includes('assets')) {
    const files = ['vtest.avi', 'one-by-one-person.mp4', 'person-bicycle-car.mp4']
      .map((name) => join(assetsFolder(), 'video', name))
      .filter((file) => existsSync(file))
    if (files.length > 0) return files.map((file) => ({ name: nameOf(file), file, source: 'assets' }))
  }
  if (!without.includes('opencv-doc')) {
    try {
      const file = await openCvClip(CACHE, onProgress)
      return [{ name: nameOf(file), file, source: 'opencv-doc' }]
    } catch (error) {
      onProgress?.(`no footage from Debian's opencv-doc package: ${(error as Error).message}`)
    }
  }
  return [{ name: 'rendered', file: await renderedScene(), source: 'rendered' }]
}

function nameOf(file: string): string {
  return basename(file).replace(/\.[^.]+$/, '')
}

/**
 * H.264 without B-pictures, one key picture a second, at the clip's own size; made once and kept in the cache.
 * @throws Error with what ffmpeg said, if it cannot read the file
 */
export async function prepareFootage(
  footage: Footage,
  onProgress?: (line: string) => void,
): Promise<PreparedFootage> {
  const { size, mtimeMs } = statSync(footage.file)
  const identity = [CONVERSION, footage.file, size, mtimeMs].join('\0')
  const key = createHash('sha256').update(identity).digest('hex').slice(0, 16)
  const converted = join(CACHE, `${footage.name}-${key}.h264`)
  const description = `${converted}.json`
  if (!existsSync(description)) {
    onProgress?.(`footage ${footage.name}: converting to H.264 (once)`)
    mkdirSync(CACHE, { recursive: true })
    const fps = await frameRate(footage.file)
    const temporary = `${converted}.${process.pid}.part`
    try {
      await runFfmpeg([
        '-i',
        footage.file,
        '-t',
        String(MAX_SECONDS),
        '-an',
        '-vf',
        pictureFilter(fps),
        ...encoder(fps),
        temporary,
      ])
      renameSync(temporary, converted)
    } finally {
      rmSync(temporary, { force: true })
    }
    // Last and at once: who sees it finds both files whole.
    writeFileSync(temporary, JSON.stringify({ fps }))
    renameSync(temporary, description)
  }
  const { fps } = JSON.parse(readFileSync(description, 'utf8')) as { fps: number }
  return { ...footage, clip: parseAnnexB(readFileSync(converted)), fps }
}

function pictureFilter(fps: number): string {
  return `fps=${fps},scale=-2:'trunc(min(${MAX_HEIGHT_PX},ih)/2)*2',format=yuv420p`
}

function encoder(fps: number): string[] {
  const keyEvery = String(fps)
  return [
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'main', '-crf', '22', '-bf', '0'],
    ...['-g', keyEvery, '-keyint_min', keyEvery, '-sc_threshold', '0', '-f', 'h264'],
  ]
}

async function frameRate(file: string): Promise<number> {
  const args = [
    '-v',
    'error',
    '-select_streams',
    'v:0',
    '-show_entries',
    'stream=avg_frame_rate',
    '-of',
    'csv=p=0',
    file,
  ]
  const { stdout } = await execute('ffprobe', args).catch((error: { stderr?: string; message: string }) => {
    throw new Error(`${file} is not a video that ffmpeg can read: ${(error.stderr || error.message).trim()}`)
  })
  const [numerator, denominator = '1'] = stdout.trim().split('/')
  const rate = Math.round(Number(numerator) / Number(denominator))
  // A file without a rate (a still, a broken header) is played at a usual one.
  if (!Number.isFinite(rate) || rate <= 0) return 10
  return Math.min(FPS_RANGE.highest, Math.max(FPS_RANGE.lowest, rate))
}

async function runFfmpeg(args: readonly string[]): Promise<void> {
  const all = ['-nostdin', '-v', 'error', '-y', ...args]
  await execute('ffmpeg', all, { timeout: CONVERSION_TIMEOUT_MS }).catch(
    (error: { stderr?: string; message: string }) => {
      throw new Error(`ffmpeg failed: ${(error.stderr || error.message).trim()}`, { cause: error })
    },
  )
}

/** A moving test picture that says what it is: shown where there is no footage of people. */
async function renderedScene(): Promise<string> {
  const file = join(CACHE, 'rendered.mp4')
  if (existsSync(file)) return file
  mkdirSync(CACHE, { recursive: true })
  const label = (text: string, y: string, size: number) =>
    `drawtext=text='${text}':fontsize=${size}:fontcolor=white:box=1:boxcolor=black:boxborderw=8:x=(w-text_w)/2:y=${y}`
  const labels = `${label('RENDERED SCENE', 'h*0.40', 56)},${label('no footage on this machine', 'h*0.58', 26)}`
  const temporary = `${file}.${process.pid}.part`
  const source = 'testsrc2=size=768x432:rate=10:duration=20'
  try {
    await runFfmpeg([
      '-f',
      'lavfi',
      '-i',
      source,
      '-vf',
      labels,
      '-c:v',
      'libx264',
      '-preset',
      'veryfast',
      '-f',
      'mp4',
      temporary,
    ])
    renameSync(temporary, file)
  } finally {
    rmSync(temporary, { force: true })
  }
  return file
}
