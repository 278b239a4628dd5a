import { describe, expect, it } from 'vitest'
import { qrPath } from './qr-code.tsx'

describe('a QR code', () => {
  it('has its three finder patterns inside a quiet zone of four modules', () => {
    const { size, path } = qrPath('otpauth://totp/Patrolhub:admin?secret=ABC&issuer=Patrolhub')
    const dark = new Set([...path.matchAll(/M(\d+) (\d+)h/g)].map((match) => `${match[1]},${match[2]}`))
    const last = size - 4 - 7
    for (const [left, top] of [
      [4, 4],
      [last, 4],
      [4, last],
    ] as const) {
      const row = (y: number) =>
        Array.from({ length: 7 }, (_, x) => (dark.has(`${left + x},${top + y}`) ? '#' : '.')).join('')
      expect([0, 1, 2, 3, 4, 5, 6].map(row)).toEqual([
        '#######',
        '#.....#',
        '#.###.#',
        '#.###.#',
        '#.###.#',
        '#.....#',
        '#######',
      ])
    }
    for (const place of dark) {
      const [x, y] = place.split(',').map(Number)
      expect(Math.min(x!, y!)).toBeGreaterThanOrEqual(4)
      expect(Math.max(x!, y!)).toBeLessThan(size - 4)
    }
  })
})
