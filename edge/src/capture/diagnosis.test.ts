import { describe, expect, it } from 'vitest'
import { Diagnosis } from './diagnosis.ts'

function whyOf(...lines: string[]): string {
  const diagnosis = new Diagnosis()
  for (const line of lines) diagnosis.add(line)
  return diagnosis.why(1)
}

describe('Diagnosis', () => {
  it.each([
    ['[rtsp @ 0x1] method DESCRIBE failed: 401 Unauthorized', 'the camera refuses the user name or password'],
    ['[rtsp @ 0x1] method DESCRIBE failed: 404 Not Found', 'the camera has no stream at this path'],
    ['rtsp://127.0.0.1:1/cam: Connection refused', 'nothing listens at this address'],
    [
      'rtsp://127.0.0.1:80/cam: Invalid data found when processing input',
      'what answers at this address does not speak RTSP',
    ],
    [
      '[tcp @ 0x1] Failed to resolve hostname cam.example: Name or service not known',
      'the name in the address is not known',
    ],
    ['rtsp://10.0.0.9/cam: Connection timed out', 'the camera did not answer in time'],
  ])('reads %s', (line, why) => {
    expect(whyOf(line)).toBe(why)
  })

  it('falls back to the last line, without credentials', () => {
    expect(whyOf('rtsp://a:b@h/x: something unheard of')).toBe(
      'ffmpeg ended with 1: rtsp://***@h/x: something unheard of',
    )
    expect(new Diagnosis().why(1)).toBe('ffmpeg ended with 1 and said nothing')
  })

  it('says that the camera ended the stream when ffmpeg ends in order', () => {
    const diagnosis = new Diagnosis()
    diagnosis.add('video:120kB audio:0kB subtitle:0kB other streams:0kB global headers:0kB')
    expect(diagnosis.why(0)).toBe('the camera ended the stream')
  })

  it('reads the codec of the input, not of an output, and keeps few lines', () => {
    const diagnosis = new Diagnosis()
    diagnosis.add('  Stream #0:0: Video: hevc (Main), yuv420p(tv), 640x360, 10 fps')
    diagnosis.add("Output #0, rawvideo, to 'pipe:1':")
    diagnosis.add('  Stream #0:0: Video: rawvideo (BGR[24] / 0x18524742), bgr24')
    for (let index = 0; index < 1000; index += 1) diagnosis.add(`line ${index}`)
    expect(diagnosis.codec).toBe('hevc')
    expect(diagnosis.lines()).toHaveLength(12)
  })
})
