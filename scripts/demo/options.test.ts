import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { readCommandLine } from './options.ts'
import { reservePort } from './ports.ts'
import { percentile } from './watcher.ts'

describe('the command line of the demo', () => {
  it('has defaults for everything', () => {
    expect(readCommandLine([])).toEqual({
      ...{ isJson: false, isKept: false, host: '127.0.0.1', httpPort: 8440, mqttPort: 1884, devicePort: 0 },
      videos: [],
    })
  })

  it('takes several videos, after one option or after several', () => {
    const args = ['--seconds', '60', '--json', '--video', 'a.mp4', 'b.mp4', '--video', 'c.mp4', '--keep']
    const options = readCommandLine(args)
    expect(options).toMatchObject({ seconds: 60, isJson: true, isKept: true })
    expect(options === 'help' ? [] : options.videos.sort()).toEqual(['a.mp4', 'b.mp4', 'c.mp4'])
  })

  it.each([
    [['--seconds', 'soon'], /--seconds soon is not a whole number/],
    [['--seconds', '0'], /--seconds 0/],
    [['--http-port', '70000'], /--http-port 70000/],
    [['--colour'], /--colour/],
    [['something'], /something/],
  ])('refuses %j', (args, message) => {
    expect(() => readCommandLine(args)).toThrow(message)
  })
})

describe('a port', () => {
  it('that is taken is refused with the option that moves it', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const wish = { purpose: 'the dashboard', host: '127.0.0.1', option: '--http-port' }
    await expect(reservePort({ ...wish, port })).rejects.toThrow(
      `Port ${port} for the dashboard is taken by another program. Choose another with --http-port PORT.`,
    )
    server.close()
    expect(await reservePort({ ...wish, port: 0 })).toBeGreaterThan(0)
  })
})

describe('latency', () => {
  it('is told by nearest rank, and not at all without values', () => {
    expect(percentile([], 0.5)).toBeNull()
    expect(percentile([7], 0.95)).toBe(7)
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
    expect(percentile(hundred, 0.5)).toBe(50)
    expect(percentile(hundred, 0.95)).toBe(95)
  })
})
