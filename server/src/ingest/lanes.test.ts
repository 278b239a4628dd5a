import { describe, expect, it } from 'vitest'
import { Lanes } from './lanes.ts'

function gate() {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { job: () => promise, open: resolve }
}

describe('lanes', () => {
  it('work in order inside a lane, and never wait for another lane', async () => {
    const lanes = new Lanes(1000)
    const done: string[] = []
    const slow = gate()
    const first = lanes.run('edge', 'measurements', 1, () => slow.job().then(() => void done.push('m1')))
    const second = lanes.run('edge', 'measurements', 1, async () => void done.push('m2'))
    await lanes.run('edge', 'alerts', 1, async () => void done.push('a1'))
    expect(done).toEqual(['a1'])
    slow.open()
    await Promise.all([first, second])
    expect(done).toEqual(['a1', 'm1', 'm2'])
  })

  it('tell who brings more to wait until half is free again, and drop nothing', async () => {
    const lanes = new Lanes(20)
    const gates = Array.from({ length: 4 }, gate)
    const runs = gates.map(({ job }, index) => lanes.run('edge', `lane-${index}`, 4, job))
    expect(lanes.isFull('edge')).toBe(true)
    let hasRoom = false
    const room = lanes.room('edge').then(() => {
      hasRoom = true
    })
    gates[0]!.open()
    await runs[0]
    gates[1]!.open()
    await runs[1]
    expect([lanes.waitingBytes, hasRoom]).toEqual([8, false])
    gates[2]!.open()
    await room
    gates[3]!.open()
    await Promise.all(runs)
    expect(lanes.waitingBytes).toBe(0)
    await lanes.room('edge')
  })

  it('hold up an owner beyond its share and nobody else', async () => {
    const lanes = new Lanes(100)
    const flood = Array.from({ length: 20 }, gate)
    const flooded = flood.map(({ job }) => lanes.run('flooding', 'flood', 10, job))
    expect(lanes.waitingBytes).toBe(200)
    const others = Array.from({ length: 10 }, gate)
    const done = others.map(({ job }, index) => lanes.run(`edge-${index}`, `lane-${index}`, 5, job))
    expect(lanes.isFull('flooding')).toBe(true)
    for (const index of others.keys()) expect(lanes.isFull(`edge-${index}`)).toBe(false)
    expect(lanes.isBeyondShare('flooding', 1, 0)).toBe(true)
    expect(lanes.isBeyondShare('flooding', 1, 500)).toBe(false)
    expect(lanes.isBeyondShare('edge-1', 1, 0)).toBe(false)
    expect(lanes.isBeyondShare('edge-that-has-nothing-waiting', 1000, 0)).toBe(false)
    let mayGoOn = false
    const room = lanes.room('flooding').then(() => {
      mayGoOn = true
    })
    for (const { open } of others) open()
    await Promise.all(done)
    expect(mayGoOn).toBe(false)
    for (const { open } of flood) open()
    await room
    await Promise.all(flooded)
  })

  it('are bounded over all owners too: beyond it each may have one job waiting and no second', async () => {
    const lanes = new Lanes(10)
    const gates = Array.from({ length: 6 }, gate)
    const runs = gates
      .slice(0, 5)
      .map(({ job }, index) => lanes.run(`edge-${index}`, `lane-${index}`, 1, job))
    runs.push(lanes.run('edge-0', 'lane-0', 1, gates[5]!.job))
    expect(lanes.isFull('edge-0')).toBe(true)
    expect(lanes.isFull('edge-1')).toBe(false)
    for (const { open } of gates) open()
    await Promise.all(runs)
  })

  it('are idle once everything is done, also what was queued meanwhile', async () => {
    const lanes = new Lanes(10)
    const done: number[] = []
    void lanes.run('edge', 'a', 1, async () => {
      void lanes.run('edge', 'b', 1, async () => void done.push(2))
      done.push(1)
    })
    await lanes.idle()
    expect(done).toEqual([1, 2])
  })
})
