/** A clip whose every picture tells its own number by its brightness, for tests that must find the very picture. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Brightness steps by 20 from picture to picture, from 20 to 220, and begins again. 10 pictures a second. */
export async function makeCodedClip(folder: string, seconds: number): Promise<string> {
  const path = join(folder, 'coded.mkv')
  // Motion JPEG: GStreamer reads it without its libav plug-in.
  const source = `color=black:s=640x360:r=10:d=${seconds},format=gray,geq=lum='20+20*mod(N\\,11)',format=yuv420p`
  await run('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', source, '-c:v', 'mjpeg', '-q:v', '2', path])
  return path
}
