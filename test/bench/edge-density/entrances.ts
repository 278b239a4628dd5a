/**
 * How soon a person who enters a quiet scene is alerted. When each person can be seen is told by the detector itself,
 * shown the whole scene beforehand: the first of three pictures in a row in which it is sure, after seconds without
 * anybody.
 * Latency runs from the arrival of that picture at the edge to the moment at which the alert is ready to be written.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Logger } from 'pino'
import { Value } from 'typebox/value'
import { RuleConfig } from '../../../edge/src/config/rules.ts'
import { DetectorPool } from '../../../edge/src/detect/detector-pool.ts'
import type { LoadedModelInfo } from '../../../edge/src/detect/model-file.ts'
import { EvidenceStore } from '../../../edge/src/evidence/evidence-store.ts'
import { CameraPipeline } from '../../../edge/src/pipeline.ts'
import { cameraConfig } from '../../../edge/test/support/camera.ts'
import { startGstCamera } from '../../../edge/test/support/gst-rtsp.ts'
import { type RateControl, SCENES, sceneFile } from './scenes.ts'

const run = promisify(execFile)
/** Pictures a second that the detector is shown beforehand. */
const TRUTH_FPS = 12.5
const SURE_SCORE = 0.4
/** So many pictures in a row have to show a person: one alone may be a mistake. */
const SURE_PICTURES = 3
/** Nobody has been in view for this long before somebody enters. */
const QUIET_MS = 3000
/** A camera needs some groups of pictures to be known. */
const SETTLE_MS = 6000
/** An alert later than this belongs to something else. */
const MISSED_MS = 5000
/** The camera's own frames may show somebody a little earlier than the three pictures in a row do. */
const EARLY_MS = 500
/** A camera was asleep when in this time before an entrance fewer than half of its pictures were decoded. */
const ASLEEP = { fromMs: 1200, toMs: 200 }
const SAMPLE_MS = 50

export interface Entrance {
  /** Moment in the scene, ms. */
  enteredMs: number
  /** How long the alert took; `null` if there was none. */
  latencyMs: number | null
  /** Until shortly before only key frames were decoded: nothing had woken the camera yet. */
  wasAsleep: boolean
}

export interface Entrances {
  decode: 'needed' | 'full'
  rate: RateControl
  cutMs: number
  found: Entrance[]
  decodedShare: number
}

export interface EntranceOptions {
  rate: RateControl
  /** Left out at the scene's begin, so that people come at other times of a group of pictures. */
  cutMs: number
  decode: 'needed' | 'full'
  model: LoadedModelInfo
  log: Logger
}

/** When people can be seen for the first time after a quiet stretch, ms in the scene. */
export async function entrancesOf(file: string, pool: DetectorPool): Promise<number[]> {
  const { widthPx, heightPx } = pool.frameFormat
  const filter = `fps=${TRUTH_FPS},scale=${widthPx}:234:flags=bilinear,pad=${widthPx}:${heightPx}:0:0:color=0x727272`
  const { stdout } = await run(
    'ffmpeg',
    ['-nostdin', '-v', 'error', '-i', file, '-vf', filter, '-pix_fmt', 'bgr24', '-f', 'rawvideo', '-'],
    { encoding: 'buffer', maxBuffer: 1024 ** 3 },
  )
  const bytes = widthPx * heightPx * 3
  const entered: number[] = []
  let lastSeenMs = Number.NEGATIVE_INFINITY
  let inRow = 0
  for (let index = 0; (index + 1) * bytes <= stdout.length; index += 1) {
    const atMs = (index * 1000) / TRUTH_FPS
    const detections = await pool.submit({
      cameraId: 'truth',
      capturedAtMs: atMs,
      streamMs: atMs,
      widthPx,
      heightPx,
      pictureWidthPx: widthPx,
      pictureHeightPx: 234,
      isStill: false,
      data: new Uint8Array(stdout.subarray(index * bytes, (index + 1) * bytes)),
    })
    const isSure = detections?.some(({ className, score }) => className === 'person' && score >= SURE_SCORE)
    inRow = isSure ? inRow + 1 : 0
    if (inRow < SURE_PICTURES) continue
    const enteredMs = atMs - ((SURE_PICTURES - 1) * 1000) / TRUTH_FPS
    if (enteredMs - lastSeenMs > QUIET_MS && enteredMs > SETTLE_MS) entered.push(enteredMs)
    lastSeenMs = atMs
  }
  return entered
}

/** Plays the scene once from a real RTSP server into a camera's whole pipeline. */
export async function playEntrances(options: EntranceOptions): Promise<Entrances> {
  const { rate, cutMs, decode, model, log } = options
  const file = await sceneFile('entrances', rate, cutMs)
  const pool = new DetectorPool({ model, workers: 1, log })
  const folder = mkdtempSync(join(tmpdir(), 'patrolhub-bench-'))
  const closing = new AbortController()
  await pool.start(closing.signal)
  const entered = await entrancesOf(file, pool)
  const gst = await startGstCamera({ clip: file, untouched: true })
  const evidence = new EvidenceStore({
    dataDir: folder,
    hubUrl: 'http://127.0.0.1:9',
    edgeId: 'edge-1',
    token: 'no-hub-is-there-now',
    log,
    announce: async () => undefined,
  })
  await evidence.start(closing.signal)
  const alertedAtMs: number[] = []
  const pipeline = new CameraPipeline({
    camera: cameraConfig(gst.url, { decode, rules: [everywhere()] }),
    pool,
    model: { id: model.entry.id, sha256: model.entry.sha256 },
    evidence,
    onAlert: async () => void alertedAtMs.push(Date.now()),
    log,
  })
  /** Wall clock at which the scene's first picture arrived. */
  let beganAtMs = Number.POSITIVE_INFINITY
  pipeline.capture.onFrame(({ capturedAtMs, streamMs }) => {
    beganAtMs = Math.min(beganAtMs, capturedAtMs - streamMs)
  })
  const samples: { atMs: number; seen: number; decoded: number }[] = []
  const sampling = setInterval(() => {
    const { seen, decoded } = pipeline.capture.pictures
    samples.push({ atMs: Date.now(), seen, decoded })
  }, SAMPLE_MS)
  const shareBetween = (fromMs: number, toMs: number) => {
    const within = samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
    const [first, last] = [within[0], within.at(-1)]
    return first && last ? (last.decoded - first.decoded) / Math.max(1, last.seen - first.seen) : 0
  }
  try {
    pipeline.start(closing.signal)
    await delay(SCENES.entrances.seconds * 1000 + 1000)
    const { seen, decoded } = pipeline.capture.pictures
    const found = entered.map((enteredMs) => {
      const atMs = beganAtMs + enteredMs
      const alert = alertedAtMs.find((each) => each >= atMs - EARLY_MS && each < atMs + MISSED_MS)
      return {
        enteredMs,
        latencyMs: alert === undefined ? null : Math.max(0, Math.round(alert - atMs)),
        wasAsleep: shareBetween(atMs - ASLEEP.fromMs, atMs - ASLEEP.toMs) < 0.5,
      }
    })
    return { rate, cutMs, decode, found, decodedShare: Math.round((100 * decoded) / Math.max(1, seen)) / 100 }
  } finally {
    clearInterval(sampling)
    await pipeline.close()
    await evidence.close()
    await gst.stop()
    await pool.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Alerts whoever is there at once. */
function everywhere(): RuleConfig {
  const rule = {
    kind: 'intrusion',
    name: 'Everywhere',
    zone: [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 1],
    ],
    classes: ['person'],
    minSeconds: 0,
    cooldownSeconds: 0,
    severity: 'major',
  }
  const filled = Value.Default(RuleConfig, rule)
  if (!Value.Check(RuleConfig, filled)) throw new Error('the rule of the bench is not valid any more')
  return filled
}
