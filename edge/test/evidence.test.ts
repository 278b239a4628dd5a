/** Snapshots from a real camera, stored and uploaded to a real HTTP server. */
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EvidenceRecord } from '@patrolhub/protocol'
import { decode } from 'jpeg-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Backoff } from '../src/backoff.ts'
import { CameraCapture } from '../src/capture/camera-capture.ts'
import type { CompressedClip } from '../src/capture/compressed.ts'
import type { Frame } from '../src/capture/frame.ts'
import { Announcer } from '../src/evidence/announcer.ts'
import { EvidenceFolder } from '../src/evidence/evidence-folder.ts'
import { EvidenceStore, type EvidenceStoreOptions } from '../src/evidence/evidence-store.ts'
import { decodePicture, markPicture } from '../src/evidence/snapshot.ts'
import { cameraConfig, FORMAT, readableLog } from './support/camera.ts'
import { makeCodedClip } from './support/coded-clip.ts'
import { type GstCameraOptions, startGstCamera } from './support/gst-rtsp.ts'
import { waitFor } from './support/wait.ts'

let folder = ''
const cleanups: (() => Promise<unknown> | unknown)[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-evidence-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A running capture that keeps the brightness of each analysis frame. */
async function captureOf(options: GstCameraOptions) {
  const gst = await startGstCamera(options)
  cleanups.push(() => gst.stop())
  const capture = new CameraCapture({
    camera: cameraConfig(gst.url),
    format: FORMAT,
    log: readableLog().log,
    timings: { retryMinMs: 100, retryMaxMs: 300 },
  })
  cleanups.push(() => capture.close())
  const seen: { frame: Frame; clip: CompressedClip | undefined }[] = []
  capture.onFrame(async (frame) => {
    const entry = { frame, clip: capture.clipUpTo(frame.streamMs) }
    seen.push(entry)
    // The compressed picture comes out of ffmpeg about when its frame does, and is whole when the next one begins.
    entry.clip ??= await waitFor('the clip', () => capture.clipUpTo(frame.streamMs)).catch(() => undefined)
  })
  capture.start(new AbortController().signal)
  return { capture, seen }
}

function brightnessOf(frame: Frame): number {
  return frame.data[(100 * frame.widthPx + 200) * 3]!
}

interface Upload {
  path: string
  headers: IncomingMessage['headers']
  bytes: Buffer
}

/** A hub that answers what `answer` says to each PUT. */
async function startHub(answer: (upload: Upload) => number, port = 0) {
  const uploads: Upload[] = []
  const server: Server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const upload = { path: request.url!, headers: request.headers, bytes: Buffer.concat(parts) }
    uploads.push(upload)
    response.writeHead(answer(upload)).end()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const stop = (): void => {
    server.close()
    server.closeAllConnections()
  }
  cleanups.push(stop)
  const { port: bound } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${bound}`, port: bound, uploads, stop }
}

async function startStore(hubUrl: string, extra: Partial<EvidenceStoreOptions> = {}) {
  const announced: EvidenceRecord[] = []
  const { log, text } = readableLog()
  const store = new EvidenceStore({
    dataDir: folder,
    hubUrl,
    edgeId: 'edge-7',
    token: 'the-token',
    log,
    announce: async (record) => {
      announced.push(record)
    },
    limits: { retryMinMs: 30, retryMaxMs: 100 },
    ...extra,
  })
  cleanups.push(() => store.close())
  await store.start(new AbortController().signal)
  return { store, announced, logText: text }
}

const noteOf = (bytes: Buffer, extra: Partial<EvidenceRecord> = {}) => ({
  isAnnounced: true,
  record: {
    kind: 'evidence' as const,
    evidenceId: randomUUID(),
    alertId: randomUUID(),
    atMs: 1_790_000_000_000,
    role: 'snapshot' as const,
    mime: 'image/jpeg' as const,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    ...extra,
  },
})

const filesIn = async (name: string): Promise<string[]> =>
  (await readdir(join(folder, 'evidence', name))).sort()

/** A camera that always has the same one clip. */
function cameraWith(clip: CompressedClip | undefined) {
  return { camera: cameraConfig('rtsp://camera/1'), clipUpTo: () => clip }
}

const requestFor = (clip: CompressedClip | undefined, streamMs = 0) => ({
  evidenceId: randomUUID(),
  alertId: randomUUID(),
  atMs: 1_790_000_000_000,
  camera: cameraWith(clip),
  streamMs,
})

async function oneClip(): Promise<CompressedClip> {
  const { capture, seen } = await captureOf({ gop: 5 })
  await waitFor('a clip', () => seen.at(-1)?.clip)
  const { clip } = seen.at(-1)!
  await capture.close()
  return clip!
}

describe('a snapshot', () => {
  it.each([
    { name: 'H.264', options: {} },
    { name: 'H.264 with reordered pictures', options: { bframes: 2 } },
    { name: 'H.265', options: { codec: 'h265' as const } },
  ])('is the very picture that was analysed, at full resolution ($name)', async ({ options }) => {
    const clip = await makeCodedClip(folder, 12)
    const { seen } = await captureOf({ clip, fps: 10, gop: 12, ...options })
    // Pictures before the first key frame cannot be had; from then on every one can.
    const withClips = () => seen.slice(seen.findIndex((each) => each.clip))
    await waitFor('12 frames', () => withClips().length >= 12 && withClips()[11]!.clip, {
      seen: () => seen.length,
    })
    const chosen = withClips().slice(0, 12)
    const differences: number[] = []
    for (const { frame, clip: compressed } of chosen) {
      const picture = decode(await decodePicture(compressed!))
      expect([picture.width, picture.height]).toEqual([640, 360])
      differences.push(Math.abs(picture.data[(150 * 640 + 300) * 4]! - brightnessOf(frame)))
    }
    // Neighbouring pictures differ by 20; compression moves a value by a few.
    expect(Math.max(...differences)).toBeLessThan(8)
    expect(new Set(chosen.map(({ frame }) => Math.round(brightnessOf(frame) / 20))).size).toBeGreaterThan(4)
  })

  it('fails with a typed error when the clip is damaged or does not hold the picture', async () => {
    const clip = await oneClip()
    const garbage = { ...clip, chunks: [Buffer.alloc(5000, 7)] }
    await expect(decodePicture(garbage)).rejects.toMatchObject({ code: 'EDGE_SNAPSHOT_FAILED' })
    await expect(decodePicture({ ...clip, ptsMs: clip.ptsMs + 60_000 })).rejects.toMatchObject({
      code: 'EDGE_SNAPSHOT_FAILED',
    })
  })
})

describe('EvidenceStore', () => {
  it('announces a snapshot, uploads it with the edge’s credential and then deletes it here', async () => {
    const hub = await startHub(() => 204)
    const { store, announced } = await startStore(hub.url)
    const request = requestFor(await oneClip())
    expect(store.requestSnapshot(request)).toBe(true)
    await waitFor('the upload', () => store.stats().uploaded === 1)
    const [record] = announced
    expect(record).toMatchObject({
      kind: 'evidence',
      evidenceId: request.evidenceId,
      alertId: request.alertId,
      atMs: request.atMs,
      role: 'snapshot',
      mime: 'image/jpeg',
    })
    const [upload] = hub.uploads
    expect(upload!.path).toBe(`/api/edge/evidence/${request.evidenceId}`)
    expect(upload!.headers).toMatchObject({
      'content-type': 'image/jpeg',
      'x-patrolhub-sha256': record!.sha256,
      authorization: `Basic ${Buffer.from('edge-7:the-token').toString('base64')}`,
    })
    expect(createHash('sha256').update(upload!.bytes).digest('hex')).toBe(record!.sha256)
    expect(upload!.bytes).toHaveLength(record!.bytes)
    expect([await filesIn('content'), await filesIn('pending')]).toEqual([[], []])
    expect(store.stats().snapshotMsP50).toBeGreaterThan(0)
  })

  it('decodes a picture once for all alerts of one frame', async () => {
    const hub = await startHub(() => 204)
    const { store, announced } = await startStore(hub.url)
    const clip = await oneClip()
    for (let index = 0; index < 3; index += 1) store.requestSnapshot(requestFor(clip, 400))
    await waitFor('three uploads', () => store.stats().uploaded === 3)
    expect(new Set(announced.map(({ sha256 }) => sha256)).size).toBe(1)
    expect(new Set(announced.map(({ evidenceId }) => evidenceId)).size).toBe(3)
    expect(await filesIn('content')).toEqual([])
  })

  it('keeps trying while the hub is away, refuses it or does not know the evidence yet', async () => {
    const answers = [503, 404, 400, 204]
    const hub = await startHub(() => answers.shift()!)
    hub.stop()
    const { store } = await startStore(hub.url)
    store.requestSnapshot(requestFor(await oneClip()))
    await waitFor('a stored snapshot', () => store.stats().taken === 1)
    const again = await startHub(() => answers.shift()!, hub.port)
    await waitFor('the upload', () => store.stats().uploaded === 1)
    expect(again.uploads).toHaveLength(4)
    expect(new Set(again.uploads.map(({ bytes }) => bytes.toString('base64'))).size).toBe(1)
  })

  it('goes on inside a file that a line which breaks has brought in part', async () => {
    const content = Buffer.from(Array.from({ length: 900_000 }, (_, index) => (index * 7919) % 251))
    const tries: { offset: number; bytes: number }[] = []
    let kept = Buffer.alloc(0)
    const server = createServer(async (request, response) => {
      if (request.method === 'GET') {
        response.end(JSON.stringify({ isStored: false, receivedBytes: kept.length }))
        return
      }
      const offset = Number(request.headers['x-patrolhub-offset'] ?? 0)
      expect(offset).toBe(kept.length)
      tries.push({ offset, bytes: Number(request.headers['content-length']) })
      for await (const part of request) {
        kept = Buffer.concat([kept, part as Buffer])
        if (tries.length < 3 && kept.length > tries.length * 300_000) {
          request.socket.destroy()
          return
        }
      }
      response.writeHead(204).end()
    })
    cleanups.push(() => void server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const evidence = new EvidenceFolder(folder)
    await evidence.open()
    await evidence.store(content, () => [noteOf(content, { role: 'clip', mime: 'video/mp4' })])
    const { store } = await startStore(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    await waitFor('the upload', () => store.stats().uploaded === 1)
    expect(kept.equals(content)).toBe(true)
    expect(tries).toHaveLength(3)
    expect(tries[1]!.offset).toBeGreaterThan(300_000)
    expect(tries[2]!.offset + tries[2]!.bytes).toBe(content.length)
  })

  it('announces every snapshot at once although the hub is away', async () => {
    const { store, announced } = await startStore('http://127.0.0.1:1', {
      limits: { retryMinMs: 60_000, retryMaxMs: 60_000 },
    })
    const clip = await oneClip()
    store.requestSnapshot(requestFor(clip, 0))
    await waitFor('the first announcement', () => announced.length === 1)
    store.requestSnapshot(requestFor(clip, 200))
    await waitFor('the second announcement', () => announced.length === 2)
    expect(store.stats().uploaded).toBe(0)
  })

  it('takes up after a crash what was stored but not uploaded, announcing only what was not announced', async () => {
    const clip = await oneClip()
    const nobody = 'http://127.0.0.1:1'
    let isJournalOpen = true
    const first = await startStore(nobody, {
      announce: async () => {
        if (!isJournalOpen) throw new Error('the journal is closed')
      },
    })
    const announcedRequest = requestFor(clip)
    first.store.requestSnapshot(announcedRequest)
    const note = async (id: string) =>
      JSON.parse(await readFile(join(folder, 'evidence', 'pending', `${id}.json`), 'utf8').catch(() => '{}'))
    await waitFor('the announcement', async () => (await note(announcedRequest.evidenceId)).isAnnounced)
    isJournalOpen = false
    const silentRequest = requestFor(clip, 200)
    first.store.requestSnapshot(silentRequest)
    await waitFor('the second snapshot', () => first.store.stats().taken === 2)
    await first.store.close()
    // What a crash may leave behind: a half-written file and a content that no note names.
    await writeFile(join(folder, 'evidence', 'pending', 'x.json.part'), '{"rec')
    await writeFile(join(folder, 'evidence', 'content', 'f'.repeat(64)), 'orphan')
    const hub = await startHub(() => 204)
    const second = await startStore(hub.url)
    await waitFor('both uploads', () => second.store.stats().uploaded === 2)
    expect(second.announced.map(({ evidenceId }) => evidenceId)).toEqual([silentRequest.evidenceId])
    expect(hub.uploads.map(({ path }) => path.split('/').at(-1)).sort()).toEqual(
      [announcedRequest.evidenceId, silentRequest.evidenceId].sort(),
    )
    expect([await filesIn('content'), await filesIn('pending')]).toEqual([[], []])
  })

  it('sets aside what the hub will never take, and goes on with the next', async () => {
    let count = 0
    const hub = await startHub(() => (count++ === 0 ? 409 : 204))
    const { store, logText } = await startStore(hub.url)
    const clip = await oneClip()
    const refused = requestFor(clip, 0)
    store.requestSnapshot(refused)
    await waitFor('the refusal', () => store.stats().refused === 1)
    store.requestSnapshot(requestFor(clip, 200))
    await waitFor('the next upload', () => store.stats().uploaded === 1)
    expect(await filesIn('refused')).toEqual([`${refused.evidenceId}.json`])
    expect(logText()).toContain('evidence was set aside')
  })

  it('sets aside a file that was damaged on disk instead of sending it', async () => {
    const { store } = await startStore('http://127.0.0.1:1')
    store.requestSnapshot(requestFor(await oneClip()))
    await waitFor('a stored snapshot', () => store.stats().taken === 1)
    await store.close()
    const [name] = await filesIn('content')
    await writeFile(join(folder, 'evidence', 'content', name!), 'damaged')
    const hub = await startHub(() => 204)
    const second = await startStore(hub.url)
    await waitFor('the refusal', () => second.store.stats().refused === 1)
    expect(hub.uploads).toEqual([])
  })

  it('sets aside a note whose file is gone from the disk', async () => {
    const { store } = await startStore('http://127.0.0.1:1')
    store.requestSnapshot(requestFor(await oneClip()))
    await waitFor('a stored snapshot', () => store.stats().taken === 1)
    await store.close()
    const [name] = await filesIn('content')
    await rm(join(folder, 'evidence', 'content', name!))
    const { store: second, logText } = await startStore((await startHub(() => 204)).url)
    await waitFor('the refusal', () => second.stats().refused === 1)
    expect(logText()).toContain('the file is gone from the disk')
  })

  it('announces a note at once whatever the moment at which it comes', async () => {
    const evidence = new EvidenceFolder(folder)
    await evidence.open()
    const noteOf = async (text: string) => {
      const bytes = Buffer.from(text)
      const recordOf = (sha256: string): EvidenceRecord => ({
        kind: 'evidence',
        evidenceId: randomUUID(),
        alertId: randomUUID(),
        atMs: 1,
        role: 'snapshot',
        mime: 'image/jpeg',
        sha256,
        bytes: bytes.length,
      })
      const [note] = await evidence.store(bytes, (sha256) => [
        { record: recordOf(sha256), isAnnounced: false },
      ])
      return note!
    }
    // The second may come in the very turn in which the work on the first ends.
    for (let turns = 0; turns < 12; turns++) {
      const [first, second] = [await noteOf(`first ${turns}`), await noteOf(`second ${turns}`)]
      const announced: string[] = []
      const announcer = new Announcer({
        folder: evidence,
        log: readableLog().log,
        announce: async ({ evidenceId }) => void announced.push(evidenceId),
        onAnnounced: async (note) => {
          if (note !== first) return
          for (let turn = 0; turn < turns; turn++) await null
          announcer.add(second)
        },
        backoff: new Backoff({ minMs: 10, maxMs: 10 }),
      })
      announcer.add(first)
      await waitFor(`the note that came ${turns} turns later`, () => announced.length === 2, {
        deadlineMs: 2000,
      })
      await announcer.close()
    }
  })

  it('closes in bounded time however much is queued, and counts what it leaves', async () => {
    const clip = await oneClip()
    const { store } = await startStore('http://127.0.0.1:1', { limits: { closeMs: 50 } })
    for (let streamMs = 0; streamMs < 50; streamMs++) store.requestSnapshot(requestFor(clip, streamMs))
    const startMs = performance.now()
    await store.close()
    expect(performance.now() - startMs).toBeLessThan(1500)
    const { taken, failed, stopped, queued } = store.stats()
    expect(stopped).toBeGreaterThan(30)
    expect([taken + failed + stopped, queued]).toEqual([50, 0])
  })

  it('counts what it drops: pictures that are gone, too many requests, a full disk', async () => {
    const clip = await oneClip()
    const hub = await startHub(() => 204)
    const { store } = await startStore(hub.url, { limits: { queued: 2 } })
    store.requestSnapshot(requestFor(undefined, 99))
    await waitFor('the missed picture', () => store.stats().missed === 1)
    const taken = [0, 1, 2, 3, 4].map((streamMs) => store.requestSnapshot(requestFor(clip, streamMs)))
    // One is decoded at once, two wait.
    expect(taken).toEqual([true, true, true, false, false])
    expect(store.stats().overflow).toBe(2)
    await waitFor('three snapshots', () => store.stats().taken === 3)
    await store.close()
    await rm(join(folder, 'evidence'), { recursive: true })
    const full = await startStore('http://127.0.0.1:1', { limits: { pendingBytes: 100 } })
    full.store.requestSnapshot(requestFor(clip, 0))
    await waitFor('a stored snapshot', () => full.store.stats().taken === 1)
    expect(full.store.requestSnapshot(requestFor(clip, 1))).toBe(false)
    expect(full.store.stats().diskFull).toBe(1)
  })
})

describe('a marked snapshot', () => {
  it('shows the boxes of the alert and nothing else that is new', async () => {
    const plain = await decodePicture(await oneClip())
    const marks = [
      { boxNorm: [0.25, 0.25, 0.5, 0.75] as [number, number, number, number], isSubject: true },
      { boxNorm: [0.6, 0.2, 0.9, 0.9] as [number, number, number, number], isSubject: false },
    ]
    const [before, after] = [decode(plain), decode(await markPicture(plain, marks))]
    expect([after.width, after.height]).toEqual([before.width, before.height])
    const at = (picture: typeof before, x: number, y: number) => {
      const index = (Math.round(y * picture.height) * picture.width + Math.round(x * picture.width)) * 4
      return [...picture.data.subarray(index, index + 3)]
    }
    const [red, green, blue] = at(after, 0.253, 0.5)
    expect(red! - Math.max(green!, blue!)).toBeGreaterThan(80)
    expect(Math.min(...at(after, 0.6015, 0.5))).toBeGreaterThan(150)
    for (const [x, y] of [
      [0.1, 0.1],
      [0.375, 0.5],
      [0.95, 0.95],
    ] as const) {
      at(before, x, y).forEach((value, index) => {
        expect(Math.abs(value - at(after, x, y)[index]!)).toBeLessThan(12)
      })
    }
  })

  it('is evidence of its own beside the plain one', async () => {
    const hub = await startHub(() => 204)
    const { store, announced } = await startStore(hub.url)
    const boxNorm: [number, number, number, number] = [0, 0, 0.5, 0.5]
    const marked = { evidenceId: randomUUID(), marks: [{ boxNorm, isSubject: true }] }
    const request = { ...requestFor(await oneClip()), marked }
    store.requestSnapshot(request)
    await waitFor('both uploads', () => store.stats().uploaded === 2)
    expect(announced.map(({ role, evidenceId, alertId }) => [role, evidenceId, alertId])).toEqual([
      ['snapshot', request.evidenceId, request.alertId],
      ['marked', marked.evidenceId, request.alertId],
    ])
  })
})

describe('EvidenceFolder', () => {
  it('keeps of what was refused the newest, up to a number and a size, and removes the contents of the rest', async () => {
    const evidence = new EvidenceFolder(folder, { notes: 3, bytes: 2500 })
    await evidence.open()
    const ids: string[] = []
    for (let index = 0; index < 6; index += 1) {
      const bytes = Buffer.alloc(1000, index)
      const note = noteOf(bytes)
      await evidence.store(bytes, () => [note])
      await evidence.setAside(note.record)
      ids.push(`${note.record.evidenceId}.json`)
    }
    expect(await filesIn('refused')).toEqual(ids.slice(-2).sort())
    expect(await filesIn('content')).toHaveLength(2)
    expect(evidence.bytes).toBe(0)
    // Old ones go at the next start, too.
    await new EvidenceFolder(folder, { ageMs: -1 }).open()
    expect([await filesIn('refused'), await filesIn('content')]).toEqual([[], []])
  })

  it('keeps content that comes again while the hub has just taken the same', async () => {
    const evidence = new EvidenceFolder(folder)
    await evidence.open()
    const frozen = Buffer.alloc(2000, 7)
    let [older] = await evidence.store(frozen, () => [noteOf(frozen)])
    for (let round = 0; round < 30; round += 1) {
      const [[newer]] = await Promise.all([
        evidence.store(frozen, () => [noteOf(frozen)]),
        evidence.remove(older!.record),
      ])
      older = newer
      expect(await evidence.readContent(newer!.record.sha256), `round ${round}`).toEqual(frozen)
      expect(evidence.bytes).toBe(frozen.length)
    }
    await evidence.remove(older!.record)
    expect([await filesIn('pending'), await filesIn('content'), evidence.bytes]).toEqual([[], [], 0])
  })

  it('brings pictures to the hub before clips that came earlier', async () => {
    const evidence = new EvidenceFolder(folder)
    await evidence.open()
    const clip = Buffer.alloc(3000, 1)
    const picture = Buffer.alloc(1000, 2)
    await evidence.store(clip, () => [noteOf(clip, { role: 'clip', mime: 'video/mp4', atMs: 1 })])
    await evidence.store(picture, () => [noteOf(picture)])
    const hub = await startHub(() => 204)
    const { store } = await startStore(hub.url)
    await waitFor('both uploads', () => store.stats().uploaded === 2)
    expect(hub.uploads.map(({ headers }) => headers['content-type'])).toEqual(['image/jpeg', 'video/mp4'])
  })
})
