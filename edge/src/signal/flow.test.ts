import { describe, expect, it } from 'vitest'
import { FlowCounter } from './flow.ts'

describe('the flow of a checkpoint', () => {
  it('is counted in windows, as vehicles a minute, with the mean of the speeds that were measured', () => {
    const counter = new FlowCounter(5, 1000)
    counter.add(50)
    counter.add(undefined)
    counter.add(70)
    expect(counter.close(5999)).toBeUndefined()
    expect(counter.close(6000)).toEqual({ atMs: 6000, vehicles: 3, vehiclesPerMinute: 36, meanSpeedKmh: 60 })
    expect(counter.close(11_100)).toEqual({
      atMs: 11_000,
      vehicles: 0,
      vehiclesPerMinute: 0,
      meanSpeedKmh: undefined,
    })
  })

  it('makes no windows up for a time that the process slept through', () => {
    const counter = new FlowCounter(5, 0)
    counter.add(50)
    expect(counter.close(60_000)).toBeUndefined()
    counter.add(50)
    expect(counter.close(65_000)).toMatchObject({ atMs: 65_000, vehicles: 1 })
  })

  it('begins a new window when the clock is set back', () => {
    const counter = new FlowCounter(5, 3_600_000)
    counter.add(50)
    expect(counter.isOver(3_600_000)).toBe(false)
    expect(counter.isOver(1000)).toBe(true)
    expect(counter.close(1000)).toBeUndefined()
    counter.add(50)
    expect(counter.close(5999)).toBeUndefined()
    expect(counter.close(6000)).toMatchObject({ atMs: 6000, vehicles: 1 })
  })
})
