import { describe, expect, it } from 'vitest'
import { LiveEdge } from './live-edge.ts'

const LOOK_MS = 40
const PICTURE_S = 0.04

/**
 * A player whose pictures come with `delayMs(n)` of delay. Answers the reserve at every look, and how often it ran dry
 * in the second half.
 */
function play({
  seconds,
  aheadS,
  delayMs,
}: {
  seconds: number
  aheadS: number
  delayMs: (n: number) => number
}) {
  const edge = new LiveEdge()
  const reserves: number[] = []
  let currentS = 0
  let rate = 1
  let isDry = false
  let lateDry = 0
  for (let nowMs = 0; nowMs < seconds * 1000; nowMs += LOOK_MS) {
    let endS = aheadS
    for (let n = 0; n * 40 + delayMs(n) <= nowMs; n += 1) endS = aheadS + (n + 1) * PICTURE_S
    currentS = Math.min(endS, currentS + (rate * LOOK_MS) / 1000)
    if (currentS >= endS) {
      if (!isDry) edge.ranDry(nowMs)
      if (!isDry && nowMs > seconds * 500) lateDry += 1
      isDry = true
      continue
    }
    isDry = false
    const step = edge.look(nowMs, endS - currentS)
    if (step.jumpToReserveS !== undefined) currentS = endS - step.jumpToReserveS
    rate = step.rate
    reserves.push(endS - currentS)
  }
  return { reserves, lateDry, goalS: edge.goalS }
}

describe('LiveEdge', () => {
  it('jumps over what a new player gets at once, and then gives up the rest of it', () => {
    const { reserves } = play({ seconds: 10, aheadS: 1, delayMs: () => 0 })
    expect(reserves[1]).toBeLessThan(0.3)
    expect(Math.max(...reserves.slice(-50))).toBeLessThan(0.12)
  })

  it('plays a little faster when that is enough', () => {
    const edge = new LiveEdge()
    const rates = Array.from({ length: 20 }, (_, index) => edge.look(index * LOOK_MS, 0.22))
    expect(rates.every(({ jumpToReserveS }) => jumpToReserveS === undefined)).toBe(true)
    expect(rates[0]!.rate).toBe(1)
    expect(rates.at(-1)!.rate).toBeCloseTo(1.4, 5)
  })

  it('keeps as much as a network needs whose pictures come late now and then', () => {
    // Every second one picture, and with it those behind it, comes 250 ms late.
    const delayMs = (n: number) => Math.max(0, 250 - (n % 25) * 40)
    const { lateDry, goalS } = play({ seconds: 40, aheadS: 0.2, delayMs })
    expect(goalS).toBeGreaterThan(0.02)
    // A goal that shrinks finds out again now and then what is too little.
    expect(lateDry).toBeLessThanOrEqual(3)
  })

  it('comes back to the smallest reserve when the network is well again', () => {
    const edge = new LiveEdge()
    for (let nowMs = 0; nowMs < 1000; nowMs += 50) edge.ranDry(nowMs)
    expect(edge.goalS).toBe(1)
    for (let nowMs = 1000; nowMs < 600_000; nowMs += 1000) edge.look(nowMs, 0.05)
    expect(edge.goalS).toBeCloseTo(0.02, 5)
  })
})
