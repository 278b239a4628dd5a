/**
 * FLV players of a bench, in a process of their own: they read as fast as it comes and look at the time of every
 * picture. Some may stall: they stop reading, and start anew when they are cut. The parent sends a `PlayersOrder`, then
 * `report` as often as it likes; each answer is a `PlayersReport` since the last.
 */
import { request } from 'node:http'
import { FlvReader, readVideoPacket } from '@patrolhub/protocol/flv'

export interface PlayersOrder {
  /** One player each. */
  players: { url: string; cookie: string }[]
  /** So many of them, the last ones, stop reading, but for a look every two seconds whether they are still let in. */
  stalled: number
}

export interface PlayersReport {
  /** Of the players that read; the fewest and the most of any. */
  pictures: { fewest: number; most: number }
  megabytes: number
  /** Pictures that were missing between two that came, all readers together. */
  missing: number
  /** Longest time without a byte at any reader, ms. */
  longestPauseMs: number
  /** Ends of connections, of readers and of the stalled. */
  ended: { readers: number; stalled: number }
  cpuSeconds: number
}

const PICTURE_MS = 40
const STALLED_LOOK_MS = 2000

class Reader {
  pictures = 0
  bytes = 0
  missing = 0
  longestPauseMs = 0
  #lastMs = performance.now()
  #lastTimestampMs: number | undefined
  readonly #flv = new FlvReader({ maxTagBytes: 16 * 1024 * 1024 })

  take(chunk: Buffer): void {
    const nowMs = performance.now()
    this.longestPauseMs = Math.max(this.longestPauseMs, nowMs - this.#lastMs)
    this.#lastMs = nowMs
    this.bytes += chunk.length
    for (const tag of this.#flv.push(chunk)) {
      if (tag.kind !== 'video' || !/frame/.test(readVideoPacket(tag).role)) continue
      this.pictures += 1
      const stepMs = tag.timestampMs - (this.#lastTimestampMs ?? tag.timestampMs - PICTURE_MS)
      this.missing += Math.max(0, Math.round(stepMs / PICTURE_MS) - 1)
      this.#lastTimestampMs = tag.timestampMs
    }
  }

  reset(): void {
    this.pictures = this.bytes = this.missing = this.longestPauseMs = 0
  }
}

const readers: Reader[] = []
const ended = { readers: 0, stalled: 0 }
let cpu = process.cpuUsage()

function play({ url, cookie }: PlayersOrder['players'][number], onChunk: (chunk: Buffer) => boolean) {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const player = request(url, { headers: { cookie }, agent: false }, (response) => {
    // An answer that nobody reads does not tell of its end.
    const look = setInterval(() => response.resume(), STALLED_LOOK_MS)
    response.on('close', () => clearInterval(look))
    if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode}`))
    response.on('data', (chunk: Buffer) => {
      resolve()
      if (!onChunk(chunk)) response.pause()
    })
    response.on('error', () => undefined)
  })
  player.on('error', reject)
  player.end()
  return { begun: promise, onEnd: (listener: () => void) => void player.on('close', listener) }
}

function stall(player: PlayersOrder['players'][number]): Promise<void> {
  const { begun, onEnd } = play(player, () => false)
  onEnd(() => {
    ended.stalled += 1
    void stall(player).catch(() => undefined)
  })
  return begun
}

async function obey({ players, stalled }: PlayersOrder): Promise<void> {
  for (const [index, player] of players.entries()) {
    if (index >= players.length - stalled) {
      await stall(player)
      continue
    }
    const reader = new Reader()
    readers.push(reader)
    const { begun, onEnd } = play(player, (chunk) => {
      reader.take(chunk)
      return true
    })
    onEnd(() => {
      ended.readers += 1
    })
    await begun
  }
}

function reportNow(): PlayersReport {
  const used = process.cpuUsage(cpu)
  cpu = process.cpuUsage()
  const pictures = readers.map((reader) => reader.pictures)
  const report: PlayersReport = {
    pictures: { fewest: Math.min(...pictures), most: Math.max(...pictures) },
    megabytes: readers.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6,
    missing: readers.reduce((sum, { missing }) => sum + missing, 0),
    longestPauseMs: Math.round(Math.max(...readers.map((reader) => reader.longestPauseMs))),
    ended: { ...ended },
    cpuSeconds: (used.user + used.system) / 1e6,
  }
  for (const reader of readers) reader.reset()
  ended.readers = ended.stalled = 0
  return report
}

process.on('message', async (message: PlayersOrder | 'report') => {
  try {
    if (message === 'report') process.send!(reportNow())
    else {
      await obey(message)
      process.send!({ playing: message.players.length })
    }
  } catch (error) {
    process.send!({ failure: String(error) })
  }
})
process.on('disconnect', () => process.exit())
