/** A hub that is gone without having closed its connections: after a power cut nothing comes back, not even an end. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { encodeFlvHeader, encodeFlvTag } from '@patrolhub/protocol/flv'
import { expect, it } from 'vitest'
import { FlvFeed } from '../src/capture/flv-feed.ts'
import { Relay } from '../src/relay/relay.ts'
import { readableLog } from './support/camera.ts'
import { waitFor } from './support/wait.ts'

it('connects again when the hub takes nothing any more and closes nothing either', async () => {
  const sockets: Socket[] = []
  const mute = createServer((socket) => void sockets.push(socket.pause()))
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const { port } = mute.address() as AddressInfo
  const { log, text } = readableLog()
  const flv = new FlvFeed()
  const relay = new Relay({
    hubUrl: `http://127.0.0.1:${port}`,
    edgeId: 'edge-7',
    token: 'the-token',
    cameras: new Map([['cam-01', { flv, h264: flv, useH264: () => () => undefined }]]),
    log,
    retryMinMs: 50,
    retryMaxMs: 200,
    idleMs: 300,
  })
  // Key frames (FLV's frame type 1, AVC, a picture) that soon fill what the system keeps for a slow reader.
  const payload = Buffer.alloc(512 * 1024)
  payload.set([0x17, 1])
  let timestampMs = 0
  flv.push(encodeFlvHeader({ video: true, audio: false }))
  const camera = setInterval(() => {
    timestampMs += 20
    flv.push(encodeFlvTag('video', timestampMs, payload).bytes)
  }, 20)
  try {
    await waitFor('a picture', () => flv.hasPicture)
    relay.handle({
      action: 'start',
      cameraId: 'cam-01',
      rendition: 'source',
      publishPath: '/media/publish/cam-01',
      forSeconds: 60,
    })
    await waitFor('a second connection', () => sockets.length > 1)
    expect(text()).toContain('no answer in 0.3 s')
  } finally {
    clearInterval(camera)
    await relay.close()
    for (const socket of sockets) socket.destroy()
    mute.close()
  }
})
