/** An edge on a machine where ffmpeg is missing, goes away or cannot be started says so, and lives on. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { startEdge } from './support/edge-process.ts'
import { waitFor } from './support/wait.ts'

const run = promisify(execFile)
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-no-ffmpeg-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function writeConfig(cameras: unknown[]): string {
  const file = join(folder, 'edge.yaml')
  const hub = { url: 'http://127.0.0.1:1', mqttUrl: 'mqtt://127.0.0.1:1', token: 'the-token-of-edge-1' }
  const intake = { host: '127.0.0.1', port: 0, devices: [] }
  writeFileSync(
    file,
    stringify({ edgeId: 'edge-1', region: '410502', dataDir: 'data', hub, intake, cameras }),
  )
  return file
}
const camera = {
  cameraId: 'square',
  name: 'Square',
  region: '410502003201',
  sensitivity: 'public',
  url: 'rtsp://127.0.0.1:1/cam',
}

describe('an edge without ffmpeg', () => {
  it.each([
    ['is not in PATH', () => ({ PATH: folder, FFMPEG_PATH: '' })],
    [
      'is no program',
      () => {
        const path = join(folder, 'ffmpeg')
        writeFileSync(path, 'no program', { mode: 0o755 })
        return { FFMPEG_PATH: path }
      },
    ],
  ])('does not start when it %s, and says what to install', async (_what, env) => {
    const edge = startEdge(['--config', writeConfig([camera])], { env: env() })
    expect(await edge.ended).toBe(1)
    expect(edge.output()).toMatch(/^EDGE_FFMPEG_MISSING: .*apt-get install ffmpeg.*FFMPEG_PATH/m)
  })

  it('needs none when it has no cameras', async () => {
    const edge = startEdge(['--config', writeConfig([])], { env: { PATH: folder, FFMPEG_PATH: '' } })
    await waitFor('the edge runs', () => edge.output().includes('edge started'))
    edge.child.kill('SIGTERM')
    expect(await edge.ended, edge.output()).toBe(0)
  })

  it('tells why a camera is offline when ffmpeg goes away or no process can be made', async () => {
    const path = join(folder, 'ffmpeg')
    const { stdout } = await run('/bin/sh', ['-c', 'command -v ffmpeg'])
    symlinkSync(stdout.trim(), path)
    const script = join(import.meta.dirname, 'support', 'no-ffmpeg-process.ts')
    // Few file descriptors, so that they are used up at once.
    const command = 'ulimit -n 100 && exec "$0" "$@"'
    const reasons = await run('/bin/sh', ['-c', command, process.execPath, script, camera.url], {
      env: { ...process.env, FFMPEG_PATH: path },
    })
    expect(JSON.parse(reasons.stdout)).toEqual([
      'nothing listens at this address',
      expect.stringMatching(/^ffmpeg cannot be run \(spawn .*ENOENT\): install it .*FFMPEG_PATH$/),
      expect.stringMatching(/^ffmpeg cannot be run \(spawn .*EMFILE\): /),
    ])
  })
})
