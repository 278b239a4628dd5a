/** A simulated camera as a program of its own: `serve-camera.ts --port N` shows a moving test picture until it is told to end. */
import { parseArgs } from 'node:util'
import { RtspCamera } from './rtsp-camera.ts'
import { makeTestClip } from './test-clip.ts'

const { values } = parseArgs({ options: { port: { type: 'string', default: '8554' } } })
const camera = new RtspCamera({
  ...(await makeTestClip({ seconds: 10 })),
  host: '0.0.0.0',
  port: Number(values.port),
  path: '/camera',
})
await camera.start()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void camera.close().then(() => process.exit(0)))
}
