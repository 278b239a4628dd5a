/** What is judged from the picture itself: real footage, with what people do to cameras and places done to it by ffmpeg. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { AlertRecord } from '@patrolhub/protocol'
import { Value } from 'typebox/value'
import { describe, expect, it } from 'vitest'
import type { Frame } from '../src/capture/frame.ts'
import { RuleConfig } from '../src/config/rules.ts'
import { Judge } from '../src/judge/judge.ts'
import type { Track } from '../src/track/track.ts'
import { footage } from './detect/real-input.ts'
import { cameraConfig, FORMAT } from './support/camera.ts'

const run = promisify(execFile)
const MODEL = { id: 'none', sha256: 'a'.repeat(64) }
/** A place that stays where it is, full of edges, with the noise of a sensor: one picture of a fractal, shown on. */
const RENDERED = 'mandelbrot=s=768x576:r=10:inner=mincol,loop=-1:size=1,setpts=N/10/TB,noise=alls=8:allf=t'
const PICTURE_KINDS = ['covered', 'blurred', 'frozen', 'moved-camera']

/** The clip with a filter, as analysis frames. `source` stands in where the footage is missing. */
async function framesOf(filter: string, seconds: number, fps: number): Promise<Frame[]> {
  const clip = footage('vtest.avi')
  const { widthPx, heightPx } = FORMAT
  // 4:3, as the footage.
  const pictureWidthPx = 340
  const input = clip
    ? ['-t', String(seconds), '-i', clip]
    : ['-f', 'lavfi', '-i', `${RENDERED},trim=duration=${seconds}`]
  const chain = `${filter},fps=${fps},scale=${pictureWidthPx}:${heightPx},pad=${widthPx}:${heightPx}:0:0:gray`
  const { stdout } = await run(
    'ffmpeg',
    ['-v', 'error', ...input, '-vf', chain, '-pix_fmt', 'bgr24', '-f', 'rawvideo', '-'],
    {
      encoding: 'buffer',
      maxBuffer: 1024 ** 3,
    },
  )
  const bytes = widthPx * heightPx * 3
  return Array.from({ length: Math.floor(stdout.length / bytes) }, (_, index) => ({
    cameraId: 'cam-01',
    capturedAtMs: 1_000_000 + (index * 1000) / fps,
    streamMs: (index * 1000) / fps,
    widthPx,
    heightPx,
    pictureWidthPx,
    pictureHeightPx: heightPx,
    isStill: false,
    data: stdout.subarray(index * bytes, (index + 1) * bytes),
  }))
}

function judgeOf(rules: Record<string, unknown>[]): Judge {
  const filled = rules.map((rule) => {
    const value = Value.Default(RuleConfig, { name: String(rule.kind), severity: 'major', ...rule })
    if (!Value.Check(RuleConfig, value)) throw new Error(`not a rule: ${JSON.stringify(rule)}`)
    return value
  })
  return new Judge(cameraConfig('rtsp://camera/1', { rules: filled }), MODEL)
}

/** Alerts from the picture with the second of the clip at which each came. */
async function watch(
  filter: string,
  seconds: number,
): Promise<{ rule: string; second: number; alert: AlertRecord }[]> {
  const judge = judgeOf(PICTURE_KINDS.map((kind) => ({ kind, minSeconds: 6, cooldownSeconds: 0 })))
  return (await framesOf(filter, seconds, 2)).flatMap((frame) =>
    judge.observePicture(frame).map((alert) => ({ rule: alert.rule, second: frame.streamMs / 1000, alert })),
  )
}

describe('a camera', () => {
  it('that looks at a busy place all the time raises nothing', async () => {
    expect(await watch('null', 79)).toEqual([])
  })

  it.each([
    { what: 'is painted over', rule: 'covered', filter: 'drawbox=t=fill:color=0x303030' },
    {
      what: 'has a bag over it in the dark',
      rule: 'covered',
      filter: 'drawbox=t=fill:color=0x181818,noise=alls=10:allf=t',
    },
    { what: 'goes out of focus', rule: 'blurred', filter: 'gblur=sigma=4' },
  ])(
    'that $what is told of once, within the time that was set and a few samples',
    async ({ rule, filter }) => {
      const found = await watch(
        filter.replaceAll(',', ":enable='gte(t,20)',").concat(":enable='gte(t,20)'"),
        45,
      )
      expect(found.map((each) => each.rule)).toEqual([rule])
      expect(found[0]!.second).toBeGreaterThanOrEqual(26)
      expect(found[0]!.second).toBeLessThan(30)
      expect(found[0]!.alert.reason).toContain('East gate has been')
    },
  )

  it('that is turned is told of once, with how far, and its new view becomes the right one', async () => {
    // The picture is a window that jumps by an eighth of the width.
    const window = "crop=iw*0.75:ih*0.75:'if(gte(t,25),iw*0.2,iw*0.075)':ih*0.1"
    const found = await watch(window, 70)
    expect(found.map((each) => each.rule)).toEqual(['moved-camera'])
    expect(found[0]!.second).toBeGreaterThan(30)
    expect(found[0]!.second).toBeLessThan(45)
    expect(found[0]!.alert.facts.shiftXPercent).toBeLessThan(-10)
  })

  it('before which something large stands and leaves has not moved', async () => {
    const most = 'split[all][left];[left]crop=iw:ih*0.6:0:0,hflip,negate[lorry]'
    expect(await watch(`${most};[all][lorry]overlay=0:0:enable='lt(t,25)'`, 50)).toEqual([])
  })

  it('that sends the same picture again and again is told of, although each is coded anew', async () => {
    const found = await watch('loop=loop=400:size=1:start=200,setpts=N/10/TB', 40)
    expect(found.map((each) => each.rule)).toEqual(['frozen'])
    expect(found[0]!.second).toBeGreaterThanOrEqual(26)
    expect(found[0]!.second).toBeLessThan(31)
  })

  it('that gives no picture is told of once an outage', () => {
    const judge = judgeOf([{ kind: 'lost-signal', minSeconds: 30, cooldownSeconds: 0 }])
    const at = (state: 'online' | 'offline' | 'connecting', second: number) =>
      judge.observeSignal(state, 'nothing listens at this address', second * 1000).length
    expect([at('online', 0), at('offline', 10), at('connecting', 25), at('offline', 39)]).toEqual([
      0, 0, 0, 0,
    ])
    expect([at('offline', 40), at('offline', 90), at('online', 100), at('offline', 110)]).toEqual([
      1, 0, 0, 0,
    ])
    const [alert] = judge.observeSignal('offline', 'nothing listens at this address', 141_000)
    expect(alert).toMatchObject({
      rule: 'lost-signal',
      facts: { seconds: 31, why: 'nothing listens at this address' },
    })
  })
})

describe('an object', () => {
  // Around the lawn at the lower middle: people walk through it, and none stands there.
  const zone = [
    [0.36, 0.76],
    [0.55, 0.76],
    [0.55, 1],
    [0.36, 1],
  ]
  const rules = ['left-object', 'removed-object'].map((kind) => ({ kind, zone, minSeconds: 10 }))
  /** The suitcase: 5 % of the width, on the lawn at the lower left, where few people walk. */
  const bag = (when: string) =>
    `drawbox=x=iw*0.42:y=ih*0.86:w=iw*0.05:h=ih*0.08:t=fill:color=0x202020:enable='${when}'`

  async function find(filter: string, tracks: (second: number) => Track[] = () => []) {
    const judge = judgeOf(rules)
    return (await framesOf(filter, 60, 5)).flatMap((frame) => {
      const second = frame.streamMs / 1000
      const luma = judge.lumaOf(frame)!
      return judge
        .observeStill(luma, tracks(second), frame.capturedAtMs)
        .map((alert) => ({ rule: alert.rule, second, box: alert.objects[0]!.boxNorm }))
    })
  }

  it('that is left behind is told of where it lies, and not the people who walk by', async () => {
    const found = await find(bag('gte(t,15)'))
    expect(found.map((each) => each.rule)).toEqual(['left-object'])
    const { second, box } = found[0]!
    expect(second).toBeGreaterThan(25)
    expect(second).toBeLessThan(40)
    for (const [index, edge] of [0.42, 0.86, 0.47, 0.94].entries()) expect(box[index]).toBeCloseTo(edge, 1)
  })

  it('that is taken away is told of as such', async () => {
    expect((await find(bag('lt(t,20)'))).map((each) => each.rule)).toEqual(['removed-object'])
  })

  it('that somebody tracks, or that is not there for long, is none', async () => {
    const owner: Track = {
      trackId: 1,
      className: 'person',
      score: 0.9,
      boxNorm: [0.41, 0.8, 0.48, 0.95],
      firstSeenAtMs: 0,
      lastSeenAtMs: 0,
      path: [[0.45, 0.95]],
      pathAtMs: [0],
      pathHeights: [0.15],
      isNew: false,
      isRider: false,
    }
    expect(await find(bag('gte(t,15)'), (second) => (second >= 15 ? [owner] : []))).toEqual([])
    expect(await find(bag('between(t,15,22)'))).toEqual([])
  })
})
