/** Players that leave before the hub has looked at who they are. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, it } from 'vitest'
import { eventually, type StreamsHub, startStreamsHub } from './support/streams.ts'

let hub: StreamsHub
beforeAll(async () => {
  // Long enough that nothing but the player's leaving ends a viewing.
  hub = await startStreamsHub({ limits: { startMs: 60_000, watchMs: 100 } })
})
afterAll(() => hub.close())

it('a player that is gone before its session has been read leaves no viewing behind', async () => {
  await hub.edge([{ cameraId: 'cam' }])
  const who = await hub.viewer()
  const { grantId } = await hub.grant(who, 'cam')
  const { hostname, port } = new URL(hub.url)
  for (let count = 0; count < 40; count++) {
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    socket.write(`GET /media/live/${grantId}.flv HTTP/1.1\r\nhost: hub\r\ncookie: ${who.cookie}\r\n\r\n`)
    // In the same or one of the next turns of the loop: before, while and after the hub reads the session.
    for (let turn = 0; turn < count % 8; turn++) await new Promise(setImmediate)
    socket.resetAndDestroy()
  }
  // One that stays comes through after all of them.
  const player = hub.play(who, `/media/live/${grantId}.flv`)
  await eventually(() => hub.streams.stats().viewings === 1, 3000, 'only the one that stayed is open')
  player.leave()
  await eventually(() => hub.streams.stats().viewings === 0)
})
