/** Waiting for a program that was started to take connections. */
import type { ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const DEADLINE_MS = 20_000

/** Throws, with `said()`, if the program ends or takes too long. */
export async function untilAnswers(
  child: ChildProcess,
  port: number,
  name: string,
  said: () => string = () => '',
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!(await answers(port))) {
    if (performance.now() > deadline || child.exitCode !== null)
      throw new Error(`${name} did not start: ${said()}`)
    await delay(20)
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}
