/** A short moving picture made by ffmpeg, for tests of the simulator that need no footage of people. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type H264Clip, parseAnnexB } from './h264.ts'

const execute = promisify(execFile)

/** Noisy enough that its pictures need several packets each. */
export async function makeTestClip({ seconds = 2, fps = 10 } = {}): Promise<{ clip: H264Clip; fps: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'patrolhub-clip-'))
  const file = join(folder, 'clip.h264')
  try {
    const source = `testsrc2=size=640x360:rate=${fps}:duration=${seconds}`
    await execute('ffmpeg', [
      ...[
        '-nostdin',
        '-v',
        'error',
        '-f',
        'lavfi',
        '-i',
        source,
        '-vf',
        'noise=alls=20:allf=t,format=yuv420p',
      ],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'main', '-bf', '0', '-crf', '20'],
      ...['-g', String(fps), '-keyint_min', String(fps), '-sc_threshold', '0', '-f', 'h264', file],
    ])
    return { clip: parseAnnexB(readFileSync(file)), fps }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
