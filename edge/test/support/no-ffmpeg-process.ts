/**
 * Tries to capture from a camera in three states of this machine, and prints why each attempt ended, as a list: ffmpeg
 * runs, it was uninstalled in the meantime, no file descriptor is left. `FFMPEG_PATH` must be a link that may go.
 */
import { openSync, unlinkSync } from 'node:fs'
import { CaptureRun } from '../../src/capture/capture-run.ts'
import { FORMAT } from './camera.ts'

const attempt = async (): Promise<string> => {
  const run = new CaptureRun({
    url: process.argv[2]!,
    analysisFps: 5,
    format: FORMAT,
    transport: 'tcp',
    container: 'none',
    skipsFirstGroup: false,
    masks: [],
    ioTimeoutMs: 3000,
    onFrame: () => undefined,
    onCompressed: () => undefined,
  })
  return (await run.run()).why
}

const reasons = [await attempt()]
unlinkSync(process.env.FFMPEG_PATH!)
reasons.push(await attempt())
try {
  for (;;) openSync('/dev/null', 'r')
} catch {
  reasons.push(await attempt())
}
process.stdout.write(`${JSON.stringify(reasons)}\n`)
