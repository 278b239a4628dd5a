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
    const first = lanes.run('measurements', 1, () => slow.job().then(() => void done.push('m1')))
    const second = lanes.run('measurements', 1, async () => void done.push('m2'))
    await lanes.run('alerts', 1, async () => void done.push('a1'))
    expect(done).toEqual(['a1'])
    slow.open()
    await Promise.all([first, second])
    expect(done).toEqual(['a1', 'm1', 'm2'])
  })

  it('tell who brings more to wait until half is free again, and drop nothing', async () => {
    const lanes = new Lanes(10)
    const gates = Array.from({ length: 4 }, gate)
    const runs = gates.map(({ job }, index) => lanes.run(`lane-${index}`, 4, job))
    expect(lanes.isFull).toBe(true)
    let hasRoom = false
    const room = lanes.room().then(() => {
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
    await lanes.room()
  })

  it('are idle once everything is done, also what was queued meanwhile', async () => {
    const lanes = new Lanes(10)
    const done: number[] = []
    void lanes.run('a', 1, async () => {
      void lanes.run('b', 1, async () => void done.push(2))
      done.push(1)
    })
    await lanes.idle()
    expect(done).toEqual([1, 2])
  })
})
