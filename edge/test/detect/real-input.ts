/**
 * Real models and real pictures for tests. Footage comes from the assets folder (PATROLHUB_ASSETS, by default
 * `shared/assets` beside the checkout) or from what the demo fetched; where it is missing, tests are told so loudly and get a rendered picture.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Frame, FrameFormat } from '../../src/capture/frame.ts'
import {
  findDetectionModel,
  type LoadedModelInfo,
  modelFolders,
  readModelCatalogue,
} from '../../src/detect/model-file.ts'

const run = promisify(execFile)
const repositoryRoot = join(import.meta.dirname, '..', '..', '..')
export const assetsFolder = process.env.PATROLHUB_ASSETS || join(repositoryRoot, '..', 'shared', 'assets')

const folders = modelFolders({
  repositoryRoot,
  modelsPath: process.env.PATROLHUB_MODELS,
  cachePath: process.env.PATROLHUB_CACHE,
})

/** A clip, or undefined after a warning that cannot be overlooked. */
export function footage(name: 'vtest.avi' | 'person-bicycle-car.mp4'): string | undefined {
  const cacheFolder = process.env.PATROLHUB_CACHE || join(repositoryRoot, '.cache')
  const paths = [
    join(assetsFolder, 'video', name),
    // Where the demo keeps the clip that it took out of Debian's opencv-doc, and where that package installs it.
    join(cacheFolder, 'footage', name),
    join('/usr/share/doc/opencv-doc/examples/data', name),
  ]
  const path = paths.find((candidate) => existsSync(candidate))
  if (path === undefined)
    process.stderr.write(
      `\n*** TEST FOOTAGE MISSING: ${paths.join(', ')}\n*** The tests go on with a rendered picture, which shows ` +
        'less.\n*** Set PATROLHUB_ASSETS to a folder with video/vtest.avi, or run the demo once.\n\n',
    )
  return path
}

/** A model that is on this machine, or undefined; CenterNet is made if it is not there yet. */
export async function realModel(id: 'yolox-nano' | 'centernet'): Promise<LoadedModelInfo | undefined> {
  if (id === 'centernet')
    await run(process.execPath, [join(repositoryRoot, 'models', 'cli.ts'), 'prepare', 'centernet'])
  const catalogue = await readModelCatalogue(join(repositoryRoot, 'models', 'catalogue.json'))
  return findDetectionModel({ wanted: id, catalogue, folders }).catch((error: Error) => {
    process.stderr.write(`\n*** MODEL MISSING: ${error.message}\n\n`)
    return undefined
  })
}

/** The best detector of this machine. */
export async function bestModel(): Promise<LoadedModelInfo> {
  const model = (await realModel('yolox-nano')) ?? (await realModel('centernet'))
  if (!model) throw new Error('there is no detection model at all')
  return model
}

/** Frames of a clip at the given seconds, as the capture hands them to the detector. */
export async function readFrames(
  clip: string,
  seconds: readonly number[],
  format: FrameFormat,
): Promise<Frame[]> {
  const source = await run('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'stream=width,height', '-of', 'csv=p=0'],
    clip,
  ])
  const [width, height] = source.stdout.trim().split(',').map(Number) as [number, number]
  const ratio = Math.min(format.widthPx / width, format.heightPx / height)
  const pictureWidthPx = Math.round(width * ratio)
  const pictureHeightPx = Math.round(height * ratio)
  const grey = format.padding.toString(16).padStart(2, '0').repeat(3)
  const filter =
    `scale=${pictureWidthPx}:${pictureHeightPx}:flags=bilinear,` +
    `pad=${format.widthPx}:${format.heightPx}:0:0:color=0x${grey}`
  const frames: Frame[] = []
  for (const second of seconds) {
    const { stdout } = await run(
      'ffmpeg',
      [
        ...['-v', 'error', '-ss', String(second), '-i', clip, '-frames:v', '1', '-vf', filter],
        ...['-pix_fmt', format.channels === 'BGR' ? 'bgr24' : 'rgb24', '-f', 'rawvideo', '-'],
      ],
      { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 },
    )
    frames.push(frameOf('clip', new Uint8Array(stdout), format, { pictureWidthPx, pictureHeightPx }))
  }
  return frames
}

/** A picture of coloured waves with hard edges: nothing a detector knows, but no flat surface either. */
export function renderedFrame(cameraId: string, format: FrameFormat): Frame {
  const { widthPx, heightPx } = format
  const data = new Uint8Array(widthPx * heightPx * 3)
  for (let y = 0, at = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) {
      const isStripe = Math.floor((x + y) / 24) % 2 === 0
      data[at++] = 128 + 100 * Math.sin(x / 17)
      data[at++] = isStripe ? 200 : 60
      data[at++] = 128 + 100 * Math.cos((x * y) / 900)
    }
  return frameOf(cameraId, data, format, { pictureWidthPx: widthPx, pictureHeightPx: heightPx })
}

export function frameOf(
  cameraId: string,
  data: Uint8Array,
  format: FrameFormat,
  picture: Pick<Frame, 'pictureWidthPx' | 'pictureHeightPx'>,
): Frame {
  const { widthPx, heightPx } = format
  return { cameraId, capturedAtMs: 0, streamMs: 0, widthPx, heightPx, ...picture, isStill: false, data }
}
