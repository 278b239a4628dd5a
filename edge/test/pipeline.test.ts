/** One camera from end to end: real RTSP, real detector, real pedestrians, alerts with their snapshots. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AlertRecord, EvidenceRecord, parser } from '@patrolhub/protocol'
import { decode } from 'jpeg-js'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Detection } from '../src/detect/detection.ts'
import type { Detector, DetectorStats } from '../src/detect/detector.ts'
import { DetectorPool } from '../src/detect/detector-pool.ts'
import { EvidenceStore } from '../src/evidence/evidence-store.ts'
import { CameraPipeline } from '../src/pipeline.ts'
import { bestModel, footage } from './detect/real-input.ts'
import { cameraConfig, FORMAT, readableLog } from './support/camera.ts'
import { startGstCamera } from './support/gst-rtsp.ts'
import { waitFor } from './support/wait.ts'

const run = promisify(execFile)
const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const WHOLE_PICTURE: [number, number][] = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
]

const guarded = (url: string, { minSeconds = 0.5 } = {}) =>
  cameraConfig(url, {
    rules: [
      {
        kind: 'intrusion',
        name: 'Square',
        zone: WHOLE_PICTURE,
        classes: ['person'],
        minSeconds,
        cooldownSeconds: 1,
        severity: 'major',
      },
    ],
  })

async function start(url: string, pool: Detector, rule: { minSeconds?: number } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'patrolhub-pipeline-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const { log, text } = readableLog()
  const alerts: { record: AlertRecord; gotAtMs: number }[] = []
  const journal: string[] = []
  const announced: EvidenceRecord[] = []
  const evidence = new EvidenceStore({
    dataDir: folder,
    hubUrl: 'http://127.0.0.1:1',
    edgeId: 'edge-7',
    token: 'the-token',
    log,
    announce: async (record) => {
      journal.push(`evidence ${record.evidenceId}`)
      announced.push(record)
    },
  })
  await evidence.start(new AbortController().signal)
  const pipeline = new CameraPipeline({
    camera: guarded(url, rule),
    pool,
    model: { id: 'tiny', sha256: 'a'.repeat(64) },
    evidence,
    onAlert: async (record) => {
      alerts.push({ record, gotAtMs: Date.now() })
      journal.push(`alert ${record.evidenceIds[0]}`)
    },
    log,
  })
  cleanups.push(() => evidence.close())
  cleanups.push(() => pipeline.close())
  pipeline.start(new AbortController().signal)
  return { pipeline, alerts, announced, journal, folder, logText: text }
}

describe('CameraPipeline', () => {
  it('raises alerts for the pedestrians of vtest.avi, each with the picture that decided it', async (context) => {
    const source = footage('vtest.avi')
    if (!source) return context.skip()
    const clipFolder = await mkdtemp(join(tmpdir(), 'patrolhub-clip-'))
    cleanups.push(() => rm(clipFolder, { recursive: true, force: true }))
    const clip = join(clipFolder, 'vtest.mkv')
    await run('ffmpeg', ['-v', 'error', '-t', '20', '-i', source, '-an', '-c:v', 'mjpeg', '-q:v', '2', clip])
    const gst = await startGstCamera({ clip, width: 768, height: 576, fps: 10, gop: 20 })
    cleanups.push(() => gst.stop())
    const { log } = readableLog()
    const pool = new DetectorPool({ model: await bestModel(), workers: 1, log })
    cleanups.push(() => pool.close())
    await pool.start(new AbortController().signal)
    const { pipeline, alerts, announced, journal, folder } = await start(gst.url, pool)

    await waitFor('three alerts', () => alerts.length >= 3, {
      deadlineMs: 20_000,
      seen: () => pipeline.health(),
    })
    const ids = new Set(alerts.slice(0, 3).flatMap(({ record }) => record.evidenceIds))
    await waitFor('their snapshots', () =>
      [...ids].every((id) => announced.some((each) => each.evidenceId === id)),
    )
    const parseAlert = parser(AlertRecord)
    const parseEvidence = parser(EvidenceRecord)
    for (const { record, gotAtMs } of alerts) {
      expect(parseAlert(record)).toMatchObject({ ok: true })
      expect(record.facts.secondsInZone).toBeGreaterThanOrEqual(0.5)
      expect(gotAtMs - record.atMs).toBeLessThan(2000)
    }
    const files = await readdir(join(folder, 'evidence', 'content'))
    for (const record of announced) {
      expect(parseEvidence(record)).toMatchObject({ ok: true })
      expect(journal.indexOf(`alert ${record.evidenceId}`)).toBeLessThan(
        journal.indexOf(`evidence ${record.evidenceId}`),
      )
      expect(files).toContain(record.sha256)
    }
    const picture = decode(await readFile(join(folder, 'evidence', 'content', announced[0]!.sha256)))
    expect([picture.width, picture.height]).toEqual([768, 576])
    const health = pipeline.health()
    expect(health).toMatchObject({ cameraId: 'cam-01', state: 'online', why: '' })
    expect(health.framesAnalysed).toBeGreaterThanOrEqual(3)
    expect(health.inferenceMsP50).toBeGreaterThan(0)
  })

  it('goes on when the detector fails for a frame, drops one, or answers out of order', async () => {
    const gst = await startGstCamera()
    cleanups.push(() => gst.stop())
    let count = 0
    const answered: number[] = []
    const person: Detection = { className: 'person', score: 0.9, boxNorm: [0.4, 0.4, 0.5, 0.8] }
    const stats: DetectorStats = { analysed: 0, dropped: 0, failed: 0, inferenceMsP50: 0 }
    const faulty: Detector = {
      formatOf: () => FORMAT,
      stats: () => stats,
      close: async () => undefined,
      async submit(frame) {
        count += 1
        if (count === 2) throw new Error('this frame is cursed')
        if (count === 3) return undefined
        // The fourth answer comes after the fifth.
        if (count === 4) await waitFor('the fifth frame', () => answered.length > 1)
        answered.push(frame.streamMs)
        return [person]
      },
    }
    const { pipeline, alerts, logText } = await start(gst.url, faulty)
    await waitFor('an alert', () => alerts.length > 0, { seen: () => answered })
    expect(logText()).toContain('this frame is cursed')
    await waitFor('the late answer', () => pipeline.health().framesDropped === 1)
    await pipeline.close()
    await pipeline.close()
    expect(pipeline.health().state).toBe('offline')
  })

  it('counts the time of who stands still, with next to no picture decoded or shown to the detector', async () => {
    const gst = await startGstCamera({ pattern: 'smpte75', gop: 20 })
    cleanups.push(() => gst.stop())
    const person: Detection = { className: 'person', score: 0.9, boxNorm: [0.4, 0.4, 0.5, 0.8] }
    let shown = 0
    const sure: Detector = {
      formatOf: () => FORMAT,
      stats: () => ({ analysed: shown, dropped: 0, failed: 0, inferenceMsP50: 0 }),
      close: async () => undefined,
      submit: async () => {
        shown += 1
        return [person]
      },
    }
    const { pipeline, alerts } = await start(gst.url, sure, { minSeconds: 5 })
    await waitFor('an alert', () => alerts.length > 0, { seen: () => pipeline.health() })
    expect(alerts[0]!.record.facts.secondsInZone).toBeGreaterThanOrEqual(5)
    expect(alerts[0]!.record.facts.secondsInZone).toBeLessThan(6)
    expect(shown).toBeLessThan(6)
    const health = pipeline.health()
    expect(health.decodedShare).toBeLessThan(0.9)
    expect(health.picturesPerSecond).toBeGreaterThan(5)
    expect(health.decodeMsP50).toBeGreaterThan(0)
    expect(health.decodesAllBecause).toBeUndefined()
  })

  it('goes on raising alerts when the clock of this machine is set back', async () => {
    const gst = await startGstCamera()
    cleanups.push(() => gst.stop())
    const person: Detection = { className: 'person', score: 0.9, boxNorm: [0.4, 0.4, 0.5, 0.8] }
    const sure: Detector = {
      formatOf: () => FORMAT,
      stats: () => ({ analysed: 0, dropped: 0, failed: 0, inferenceMsP50: 0 }),
      close: async () => undefined,
      submit: async () => [person],
    }
    const { alerts } = await start(gst.url, sure)
    await waitFor('an alert', () => alerts.length === 1)
    const now = Date.now.bind(Date)
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000)
    cleanups.push(() => clock.mockRestore())
    await waitFor('the alert of a new track', () => alerts.length === 2)
    expect(alerts[1]!.record.atMs).toBeLessThan(alerts[0]!.record.atMs)
  })
})
