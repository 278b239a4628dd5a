import { setImmediate } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Frame, FrameFormat } from '../../src/capture/frame.ts'
import { DetectorPool, type DetectorPoolOptions } from '../../src/detect/detector-pool.ts'
import type { LoadedModelInfo } from '../../src/detect/model-file.ts'
import { bestModel, footage, frameOf, readFrames, realModel, renderedFrame } from './real-input.ts'

const log = pino({ level: 'silent' })
let model: LoadedModelInfo
let pool: DetectorPool

beforeAll(async () => {
  model = await bestModel()
})
afterEach(() => pool?.close())

async function startPool(options: Partial<DetectorPoolOptions> = {}): Promise<void> {
  pool = new DetectorPool({ model, workers: 1, log, ...options })
  await pool.start(new AbortController().signal)
}

/** The frame's pixels, every so manieth only, at the top left of grey. */
function shrunk({ widthPx, heightPx, data }: Frame, by: number): Uint8Array {
  const small = new Uint8Array(data.length).fill(114)
  for (let y = 0; y * by < heightPx; y++)
    for (let x = 0; x * by < widthPx; x++)
      for (let channel = 0; channel < 3; channel++)
        small[(y * widthPx + x) * 3 + channel] = data[(y * by * widthPx + x * by) * 3 + channel]!
  return small
}

function frame(cameraId: string): Frame {
  return renderedFrame(cameraId, pool.frameFormat)
}

describe.each(['yolox-nano', 'centernet'] as const)('%s', (id) => {
  it('finds the pedestrians of vtest.avi where they are, and nothing in an empty picture', async ({
    skip,
  }) => {
    const found = await realModel(id)
    if (!found) return skip(`${id} is not on this machine`)
    const clip = footage('vtest.avi')
    await startPool({ model: found })
    const { widthPx, heightPx } = pool.frameFormat
    const grey = new Uint8Array(widthPx * heightPx * 3).fill(114)
    const empty = frameOf('empty', grey, pool.frameFormat, {
      pictureWidthPx: widthPx,
      pictureHeightPx: heightPx,
    })
    expect(await pool.submit(empty)).toEqual([])
    if (!clip) {
      expect((await pool.submit(frame('rendered')))!.filter(({ score }) => score > 0.6)).toEqual([])
      return
    }
    const [first] = await readFrames(clip, [0], pool.frameFormat)
    const people = (await pool.submit(first!))!.filter(({ className }) => className === 'person')
    // Read off the first picture by eye, 768×576: the feet of three who walk in the open.
    const feet = [
      [0.67, 0.41],
      [0.35, 0.54],
      [0.86, 0.56],
    ] as const
    expect(people.length).toBeGreaterThanOrEqual(feet.length)
    for (const [x, y] of feet) {
      const near = people.filter(
        ({ boxNorm: [x1, , x2, y2] }) => Math.abs((x1 + x2) / 2 - x) < 0.04 && Math.abs(y2 - y) < 0.05,
      )
      expect(near, `a person with the feet at ${x}, ${y} among ${JSON.stringify(people)}`).not.toEqual([])
    }
  })
})

describe('a pool', () => {
  it('lends the pixels out and gives them back unchanged', async () => {
    await startPool()
    const lent = frame('a')
    const before = lent.data.slice()
    const answer = pool.submit(lent)
    expect(lent.data.length).toBe(0)
    await answer
    expect(Buffer.compare(lent.data, before)).toBe(0)
  })

  it('leaves the neighbours of pixels that share their memory alone', async () => {
    await startPool()
    const { data } = frame('a')
    const shared = new Uint8Array(data.length + 10).fill(9)
    shared.set(data, 5)
    await pool.submit({ ...frame('a'), data: shared.subarray(5, 5 + data.length) })
    expect(shared[0]).toBe(9)
    expect(shared.length).toBe(data.length + 10)
  })

  it('keeps only the newest waiting frame of a camera and counts the rest as dropped', async () => {
    await startPool()
    const answers = Array.from({ length: 10 }, () => pool.submit(frame('a')))
    const isAnswered = (await Promise.all(answers)).map((boxes) => boxes !== undefined)
    // The first went to the thread at once, the last is the newest.
    expect(isAnswered).toEqual([true, ...Array.from({ length: 8 }, () => false), true])
    expect(pool.stats('a')).toMatchObject({ analysed: 2, dropped: 8, failed: 0 })
    expect(pool.stats('a').inferenceMsP50).toBeGreaterThan(0)
    expect(pool.stats('b')).toEqual({ analysed: 0, dropped: 0, failed: 0, inferenceMsP50: 0 })
  })

  it('serves cameras in turn, however fast one of them is', async () => {
    await startPool()
    let isFlooding = true
    const flood = async () => {
      const answers: Promise<unknown>[] = []
      while (isFlooding) {
        answers.push(pool.submit(frame('fast')))
        // The pool's messages come in between two frames, as they do between the reads of a real camera.
        await setImmediate()
      }
      await Promise.all(answers)
    }
    const slow = async (cameraId: string) => {
      for (let count = 0; count < 10; count++) await pool.submit(frame(cameraId))
    }
    const flooding = flood()
    await Promise.all([slow('b'), slow('c')])
    isFlooding = false
    await flooding
    expect(pool.stats('b')).toMatchObject({ analysed: 10, dropped: 0 })
    expect(pool.stats('c')).toMatchObject({ analysed: 10, dropped: 0 })
    expect(pool.stats('fast').dropped).toBeGreaterThan(10)
    // A fair share of three cameras; without turns the fast one would have nearly all.
    expect(pool.stats('fast').analysed).toBeLessThanOrEqual(15)
    expect(pool.stats('fast').analysed).toBeGreaterThanOrEqual(8)
  })

  it('returns the boxes of one camera in the order of its frames, with several threads', async () => {
    await startPool({ workers: 2 })
    const order: number[] = []
    let next = 0
    const feed = async () => {
      while (next < 60) {
        const number = next++
        if ((await pool.submit(frame('a'))) !== undefined) order.push(number)
        await setImmediate()
      }
    }
    await Promise.all([feed(), feed(), feed()])
    expect(order.length).toBeGreaterThan(3)
    expect(order).toEqual(order.toSorted((a, b) => a - b))
  })

  it('reports the frame that a crashed thread held, and goes on', async () => {
    await startPool({ workerFile: new URL('./fault-worker.ts', import.meta.url) })
    const lost = frame('crash')
    const answer = pool.submit(lost)
    const waiting = pool.submit(frame('a'))
    await expect(answer).rejects.toMatchObject({ code: 'EDGE_DETECTION_FAILED' })
    await expect(answer).rejects.toThrow('exit code 7')
    expect(lost.data.length).toBe(0)
    expect(await waiting).toBeInstanceOf(Array)
    expect(pool.stats('crash')).toMatchObject({ analysed: 0, failed: 1 })
    expect(pool.stats('a')).toMatchObject({ analysed: 1, failed: 0 })
  })

  it('gives a thread of a quick model one frame ahead, which is lost with it and reported, too', async () => {
    await startPool({ workerFile: new URL('./fault-worker.ts', import.meta.url) })
    await pool.submit(frame('quick'))
    const answers = ['crash', 'a', 'b'].map((cameraId) => pool.submit(frame(cameraId)))
    const results = await Promise.allSettled(answers)
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
    expect(pool.stats('a')).toMatchObject({ analysed: 0, failed: 1 })
    // Started anew it gets one at a time until it is known to be quick.
    expect(pool.stats('b')).toMatchObject({ analysed: 1, failed: 0 })
  })

  it('finishes what is being analysed when it is closed, and answers what waits with undefined', async () => {
    await startPool({ workers: 2 })
    const answers = ['a', 'b', 'c', 'c'].map((cameraId) => pool.submit(frame(cameraId)))
    await Promise.all([pool.close(), pool.close()])
    const [a, b, ...waiting] = await Promise.all(answers)
    expect([a, b]).toEqual([expect.any(Array), expect.any(Array)])
    expect(waiting).toEqual([undefined, undefined])
    expect(await pool.submit(frame('a'))).toBeUndefined()
  })

  it('is closed all the same when a thread fails at its end', async () => {
    await startPool({ workerFile: new URL('./fault-worker.ts', import.meta.url) })
    await pool.submit(frame('fragile'))
    await pool.close()
  })

  it('closes when its signal is aborted', async () => {
    const stop = new AbortController()
    pool = new DetectorPool({ model, workers: 1, log })
    await pool.start(stop.signal)
    const waiting = [pool.submit(frame('a')), pool.submit(frame('a'))][1]
    stop.abort()
    expect(await waiting).toBeUndefined()
  })

  it('can be closed while its models load, and before it was started', async () => {
    pool = new DetectorPool({ model, workers: 2, log })
    const starting = pool.start(new AbortController().signal)
    await pool.close()
    await starting
    const never = new DetectorPool({ model, workers: 1, log })
    await never.close()
    await expect(never.start(AbortSignal.abort())).rejects.toThrow('aborted')
  })

  it('reports only classes that matter', async ({ skip }) => {
    const clip = footage('vtest.avi')
    if (!clip) return skip('there is no footage')
    await startPool({ classes: ['car'] })
    const [first] = await readFrames(clip, [0], pool.frameFormat)
    expect((await pool.submit(first!))!.filter(({ className }) => className !== 'car')).toEqual([])
  })
})

describe('a pool that looks at one camera more closely', () => {
  it('finds people who are small in its pictures, and goes on with the others', async ({ skip }) => {
    const clip = footage('vtest.avi')
    if (!clip) return skip('there is no footage')
    await startPool({ details: [3] })
    const fine = pool.formatOf(3)
    expect([fine.widthPx, fine.heightPx]).toEqual([
      3 * pool.frameFormat.widthPx,
      3 * pool.frameFormat.heightPx,
    ])
    const countAt = async (format: FrameFormat) => {
      const [seen] = await readFrames(clip, [5], format)
      // A quarter of the picture, as a camera with a wider view would show it: the people are a fourth as high.
      const far = frameOf('far', shrunk(seen!, 4), format, {
        pictureWidthPx: format.widthPx,
        pictureHeightPx: format.heightPx,
      })
      return (await pool.submit(far))!.filter(({ score }) => score > 0.4).length
    }
    expect(await countAt(fine)).toBeGreaterThan(await countAt(pool.frameFormat))
    expect(await pool.submit(frame('another'))).toBeDefined()
    const between = renderedFrame('a', pool.formatOf(2))
    await expect(pool.submit(between)).rejects.toThrow(`${fine.widthPx}x${fine.heightPx}`)
  })
})

describe('a pool refuses', () => {
  it('a frame of another size, naming both sizes', async () => {
    await startPool()
    const wrong = renderedFrame('a', { ...pool.frameFormat, widthPx: 64, heightPx: 32 })
    const { widthPx, heightPx } = pool.frameFormat
    await expect(pool.submit(wrong)).rejects.toMatchObject({ code: 'EDGE_FRAME_FORMAT' })
    await expect(pool.submit(wrong)).rejects.toThrow('64x32')
    await expect(pool.submit(wrong)).rejects.toThrow(`${widthPx}x${heightPx}`)
    await expect(pool.submit({ ...frame('a'), data: new Uint8Array(5) })).rejects.toThrow('5 bytes')
  })

  it('an input size that the model cannot take', () => {
    expect(
      () => new DetectorPool({ model, workers: 1, log, inputSize: { widthPx: 400, heightPx: 300 } }),
    ).toThrow('multiples of 32 pixels, not 400x300')
  })

  it('a class that the model does not know', () => {
    expect(() => new DetectorPool({ model, workers: 1, log, classes: ['person', 'dragon'] })).toThrow(
      'dragon',
    )
  })

  it('a model whose file is not the one of the catalogue, and leaves nothing running', async () => {
    const sha256 = '0'.repeat(64)
    pool = new DetectorPool({ model: { ...model, entry: { ...model.entry, sha256 } }, workers: 2, log })
    const starting = pool.start(new AbortController().signal)
    await expect(starting).rejects.toMatchObject({ code: 'EDGE_MODEL_HASH' })
    await expect(starting).rejects.toThrow(model.path)
    await expect(starting).rejects.toThrow(model.entry.sha256)
    await expect(starting).rejects.toThrow(sha256)
  })

  it('a model whose output is not what the decoder reads, naming the file and both shapes', async () => {
    const entry = { ...model.entry, classes: [...model.entry.classes, 'dragon'] }
    pool = new DetectorPool({ model: { ...model, entry }, workers: 1, log })
    const starting = pool.start(new AbortController().signal)
    await expect(starting).rejects.toMatchObject({ code: 'EDGE_MODEL_SHAPE' })
    await expect(starting).rejects.toThrow(model.path)
    const [wanted, actual] = entry.decoder === 'yolox' ? ['86]', '85]'] : ['81, ', '80, ']
    await expect(starting).rejects.toThrow(wanted)
    await expect(starting).rejects.toThrow(actual)
  })
})
