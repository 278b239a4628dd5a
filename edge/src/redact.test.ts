import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redact } from './redact.ts'

describe('redact', () => {
  it('takes the credentials out of every address', () => {
    expect(redact('rtsp://admin:p4ss@10.0.0.7:554/s and rtsps://u@h/x')).toBe(
      'rtsp://***@10.0.0.7:554/s and rtsps://***@h/x',
    )
    expect(redact('rtsp://admin:p@ss:w0rd@10.0.0.7/s')).toBe('rtsp://***@10.0.0.7/s')
    expect(redact('rtsp://admin:p/ss@10.0.0.7/s')).toBe('rtsp://***@10.0.0.7/s')
    expect(redact('rtsp://10.0.0.7:554/s')).toBe('rtsp://10.0.0.7:554/s')
  })

  it('lets no password through', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9!$&'()*+,;=:@/._~-]{6,20}$/), (password) => {
        expect(redact(`error opening rtsp://operator:${password}@camera/ch1`)).toBe(
          'error opening rtsp://***@camera/ch1',
        )
      }),
    )
  })
})
