/** Learned normality with the real model: a made-up street, weeks of it, and then what does not belong there. */
import { join } from 'node:path'
import type { NormBox } from '@patrolhub/protocol'
import { Value } from 'typebox/value'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RuleConfig, UnusualRuleConfig } from '../src/config/rules.ts'
import { findModel, modelFolders, readModelCatalogue } from '../src/detect/model-file.ts'
import { moveOf, sizeOf } from '../src/judge/normality/layout.ts'
import { Normality } from '../src/judge/normality/normality.ts'
import { NormalityModel } from '../src/judge/normality/normality-model.ts'
import { SceneMemory } from '../src/judge/normality/scene-memory.ts'
import type { Finding } from '../src/judge/rule.ts'
import type { Track } from '../src/track/track.ts'
import { seeded } from './support/seeded.ts'

const repositoryRoot = join(import.meta.dirname, '..', '..')
const ASPECT = 16 / 9
const STEP_MS = 250
const DAY_MS = 86_400_000

let model: NormalityModel
beforeAll(async () => {
  const catalogue = await readModelCatalogue(join(repositoryRoot, 'models', 'catalogue.json'))
  const folders = modelFolders({ repositoryRoot })
  model = await NormalityModel.open(
    await findModel({ wanted: 'auto', catalogue, folders, task: 'normality' }),
  )
})
afterAll(() => model.close())

function configOf(more: object = {}) {
  const filled = Value.Default(UnusualRuleConfig, {
    kind: 'unusual',
    name: 'street',
    severity: 'minor',
    minObjects: 100,
    perDay: 6,
    ...more,
  } as RuleConfig)
  return Value.Parse(UnusualRuleConfig, filled)
}

interface Walk {
  className: string
  from: [number, number]
  to: [number, number]
  height: number
  seconds: number
}

class Street {
  readonly memory: SceneMemory
  readonly #normality: Normality
  readonly #random: () => number
  #nextId = 1
  atMs = Date.UTC(2026, 8, 1)

  constructor(seed: number, config = configOf(), memory = new SceneMemory()) {
    this.#random = seeded(seed)
    this.memory = memory
    this.#normality = new Normality({ config, cameraName: 'Gate', memory, model })
  }

  #jitter(width: number): number {
    return (this.#random() - 0.5) * 2 * width
  }

  /** One object passes; answers what was found while it did. */
  async pass({ className, from, to, height, seconds }: Walk): Promise<Finding | undefined> {
    const trackId = this.#nextId++
    let found: Finding | undefined
    const [x0, y0] = [from[0], from[1] + this.#jitter(0.015)]
    const [x1, y1] = [to[0], to[1] + this.#jitter(0.015)]
    const path: [number, number][] = []
    const pathAtMs: number[] = []
    const firstSeenAtMs = this.atMs
    const steps = Math.ceil((seconds * 1000) / STEP_MS)
    for (let step = 0; step <= steps; step++) {
      const x = x0 + ((x1 - x0) * step) / steps + this.#jitter(0.002)
      const y = y0 + ((y1 - y0) * step) / steps + this.#jitter(0.002)
      const tall = height * (1 + this.#jitter(0.05))
      const boxNorm: NormBox = [x - tall / 6, y - tall, x + tall / 6, y]
      path.push([x, y])
      pathAtMs.push(this.atMs)
      const track: Track = {
        trackId,
        className,
        score: 0.8,
        boxNorm,
        firstSeenAtMs,
        lastSeenAtMs: this.atMs,
        path: path.slice(-200),
        pathAtMs: pathAtMs.slice(-200),
        pathHeights: pathAtMs.slice(-200).map(() => height),
        isNew: step === 1,
        isRider: false,
      }
      found ??= await this.#normality.observe({ tracks: [track], atMs: this.atMs, aspect: ASPECT }, true)
      this.atMs += STEP_MS
    }
    return found
  }

  /** People on the pavement both ways, cars on the road to the right. Answers how many were told of. */
  async ordinary(objects: number, forDays: number): Promise<number> {
    let told = 0
    for (let index = 0; index < objects; index++) {
      this.atMs += Math.round((forDays * DAY_MS) / objects)
      const isCar = this.#random() < 0.5
      const isBack = !isCar && this.#random() < 0.5
      const y = isCar ? 0.5 + this.#jitter(0.04) : 0.85 + this.#jitter(0.04)
      const [x0, x1] = isBack ? [0.95, 0.05] : [0.05, 0.95]
      const height = isCar ? 0.15 : 0.3
      // A walker does about 0.8 heights a second, a car three times its height.
      const speed = isCar ? 3 + this.#jitter(1) : 0.8 + this.#jitter(0.25)
      const seconds = (0.9 * ASPECT) / (height * speed)
      const className = isCar ? 'car' : 'person'
      if (await this.pass({ className, from: [x0, y], to: [x1, y], height, seconds })) told += 1
    }
    return told
  }
}

const BICYCLE: Walk = { className: 'bicycle', from: [0.05, 0.85], to: [0.95, 0.85], height: 0.28, seconds: 3 }
const JAYWALKER: Walk = { className: 'person', from: [0.05, 0.5], to: [0.95, 0.5], height: 0.2, seconds: 9 }
const WRONG_WAY: Walk = { className: 'car', from: [0.95, 0.5], to: [0.05, 0.5], height: 0.15, seconds: 4 }
const ON_THE_ROOF: Walk = { className: 'person', from: [0.3, 0.15], to: [0.7, 0.15], height: 0.1, seconds: 9 }
const RUNNER: Walk = { className: 'person', from: [0.05, 0.85], to: [0.95, 0.85], height: 0.3, seconds: 1.9 }

describe('learned normality', () => {
  it('finds what does not belong there, says what was unusual, and hardly ever speaks of the rest', async () => {
    const street = new Street(1)
    expect(await street.ordinary(99, 2), 'nothing before it has learned').toBe(0)
    const told = await street.ordinary(600, 10)
    expect(told / 10, 'alerts a day').toBeLessThanOrEqual(6)
    const found = async (walk: Walk) => {
      const finding = await street.pass(walk)
      await street.ordinary(5, 0.1)
      return finding?.facts.factor
    }
    expect(await found(BICYCLE)).toBe('class')
    expect(await found(JAYWALKER)).toMatch(/class|place/)
    expect(await found(WRONG_WAY)).toBe('movement')
    expect(await found(ON_THE_ROOF)).toMatch(/place|class/)
    expect(await found(RUNNER)).toBe('movement')
    const finding = await street.pass({ ...BICYCLE, seconds: 2.8 })
    expect(finding?.reason).toMatch(
      /^A bicycle is where such things are rare in “street” of Gate: once in \d+ \(learned/,
    )
    expect(finding?.subjects[0]).toMatchObject({ className: 'bicycle' })
  }, 60_000)

  it('gets used to what comes again and again', async () => {
    const street = new Street(2)
    await street.ordinary(600, 5)
    expect(await street.pass(WRONG_WAY)).toBeDefined()
    for (let count = 0; count < 60; count++) {
      await street.pass(WRONG_WAY)
      await street.ordinary(2, 0.05)
    }
    expect(await street.pass(WRONG_WAY), 'a road in both directions by now').toBeUndefined()
  }, 60_000)

  it('looks only into its zone and at its classes', async () => {
    const below: [number, number][] = [
      [0, 0.7],
      [1, 0.7],
      [1, 1],
      [0, 1],
    ]
    const street = new Street(3, configOf({ zone: below, classes: ['person'] }))
    await street.ordinary(300, 5)
    expect(street.memory.objects).toBeLessThan(200)
    expect(await street.pass(WRONG_WAY)).toBeUndefined()
    expect(await street.pass({ ...BICYCLE })).toBeUndefined()
  }, 60_000)
})

describe('what a camera has learned', () => {
  it('is the same after it was written and read, and nothing else is taken for it', async () => {
    const street = new Street(4)
    await street.ordinary(120, 3)
    const bytes = street.memory.encode()
    const read = SceneMemory.decode(bytes)!
    expect(read).toEqual(street.memory)
    const sample = [0, 200, 3, 4, 12] as const
    const [before] = await model.rarities(street.memory, [sample])
    const [after] = await model.rarities(read, [sample])
    expect(after).toEqual(before)
    expect(SceneMemory.decode(bytes.subarray(0, -1))).toBeUndefined()
    expect(SceneMemory.decode(Buffer.from('nonsense\n'))).toBeUndefined()
    expect(SceneMemory.decode(Buffer.alloc(0))).toBeUndefined()
    const damaged = Buffer.from(bytes)
    damaged.writeFloatLE(Number.NaN, damaged.length - 8)
    expect(SceneMemory.decode(damaged)).toBeUndefined()
  })

  it('fades by half in two weeks', () => {
    const memory = new SceneMemory()
    memory.learn([[0, 5, 0, 0, 0]], 1, DAY_MS)
    memory.learn([[0, 6, 0, 0, 0]], 1, 15 * DAY_MS)
    expect(memory.place[5]).toBeCloseTo(0.5)
    expect(memory.place[6]).toBe(1)
  })
})

describe('rarity', () => {
  it('is a probability whatever was learned and asked', async () => {
    const random = seeded(9)
    const memory = new SceneMemory()
    for (let count = 0; count < 300; count++) {
      const pick = (below: number) => Math.floor(random() ** 3 * below)
      memory.learn([[pick(6), pick(336), pick(25), pick(8), pick(24)]], 1, count * 1000)
    }
    const samples = Array.from({ length: 200 }, () => {
      const pick = (below: number) => Math.floor(random() * below)
      return [pick(6), pick(336), pick(25), pick(8), pick(24)] as const
    })
    const together = await model.rarities(memory, samples)
    for (const [index, sample] of samples.entries()) {
      for (const rarity of together[index]!) {
        expect(rarity).toBeGreaterThan(0)
        expect(rarity).toBeLessThanOrEqual(1.0001)
      }
      // What is asked beside it does not matter.
      if (index % 20 === 0) expect((await model.rarities(memory, [sample]))[0]).toEqual(together[index])
    }
  })

  it('knows directions and sizes', () => {
    expect(moveOf(0.05, 0.1)).toBe(0)
    expect(moveOf(Number.NaN, 0)).toBe(0)
    expect(moveOf(1, 0)).not.toBe(moveOf(-1, 0))
    expect(moveOf(1, 0)).not.toBe(moveOf(2, 0))
    expect(sizeOf(0.01)).toBe(0)
    expect(sizeOf(1)).toBe(7)
    expect(sizeOf(0.3)).toBeGreaterThan(sizeOf(0.1))
  })
})
