import { describe, expect, it } from 'vitest'
import { distanceKm, isImpossible } from './travel.ts'

const anyang = { latitude: 36.1, longitude: 114.4 }

describe('distanceKm', () => {
  it('agrees with known distances on a sphere', () => {
    expect(distanceKm(anyang, anyang)).toBe(0)
    // One degree of a meridian, and a quarter of the equator.
    expect(distanceKm(anyang, { ...anyang, latitude: 37.1 })).toBeCloseTo(111.195, 2)
    const equator = (longitude: number) => ({ latitude: 0, longitude })
    expect(distanceKm(equator(0), equator(90))).toBeCloseTo(10_007.56, 1)
    expect(distanceKm(equator(179.5), equator(-179.5))).toBeCloseTo(111.195, 2)
    expect(distanceKm({ latitude: 90, longitude: 0 }, { latitude: -90, longitude: 77 })).toBeCloseTo(
      20_015.1,
      0,
    )
  })
})

describe('isImpossible', () => {
  const bounds = { maxKmh: 200, clockMs: 60_000 }

  it('leaves what the fastest and the clocks allow, in both orders', () => {
    // 20 km take 360 s; the clocks give 60 s of it back.
    for (const sign of [1, -1]) {
      expect(isImpossible(20, sign * 299_999, bounds)).toBe(true)
      expect(isImpossible(20, sign * 300_000, bounds)).toBe(false)
    }
    expect(isImpossible(3, 0, bounds)).toBe(false)
    expect(isImpossible(0, 0, { ...bounds, clockMs: 0 })).toBe(false)
  })
})
