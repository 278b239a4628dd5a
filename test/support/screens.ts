/**
 * Screens of a bench, in a process of their own: real WebSockets signed in by a cookie. A few are the dashboard's own
 * client and look at every event; the others take everything in and count it, as a machine of their own would, but do
 * not parse it: two hundred browsers' JSON on the cores of the hub would measure themselves.
 *
 * The parent sends a `ScreenOrder`, then `report` as often as it likes; each answer is a `ScreenReport` since the last.
 */
import type { Changes } from '@patrolhub/protocol'
import { io } from 'socket.io-client'
import { WebSocket } from 'ws'

export interface ScreenOrder {
  url: string
  /** One a user; a screen takes them in turn. */
  cookies: readonly string[]
  watching: number
  counting: number
}

export interface ScreenReport {
  /** From the record's time to the event at each watching screen, ms. */
  latenciesMs: number[]
  /** Ids of the alerts that came whole, of each watching screen. */
  alertIds: string[][]
  omittedAlerts: number[]
  /** Packets and bytes of the counting screens, the fewest and the most of any. */
  packets: { fewest: number; most: number }
  megabytes: { fewest: number; most: number }
  cpuSeconds: number
}

const latenciesMs: number[] = []
const watchers: { alertIds: string[]; omitted: number }[] = []
const counters: { packets: number; bytes: number }[] = []
let cpu = process.cpuUsage()

async function watch(url: string, cookie: string): Promise<void> {
  const heard: (typeof watchers)[number] = { alertIds: [], omitted: 0 }
  watchers.push(heard)
  const socket = io(url, { transports: ['websocket'], forceNew: true, extraHeaders: { cookie } })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.once('connect_error', reject)
  socket.on('changes', ({ events, omittedAlerts = 0 }: Changes) => {
    resolve()
    const nowMs = performance.timeOrigin + performance.now()
    for (const { event, payload } of events) {
      if (event !== 'alert') continue
      latenciesMs.push(nowMs - payload.atMs)
      heard.alertIds.push(payload.alertId)
    }
    heard.omitted += omittedAlerts
  })
  await promise
}

/** Speaks just enough of Engine.IO 4 and Socket.IO 5: it opens, joins the main namespace and answers pings. */
async function count(url: string, cookie: string): Promise<void> {
  const seen: (typeof counters)[number] = { packets: 0, bytes: 0 }
  counters.push(seen)
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
    headers: { cookie },
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.on('error', reject)
  socket.on('message', (data: Buffer) => {
    const kind = data[0]
    if (kind === 0x30) socket.send('40')
    else if (kind === 0x32) socket.send('3')
    else if (kind === 0x34) {
      resolve()
      seen.packets++
      seen.bytes += data.byteLength
    }
  })
  await promise
}

const least = (values: number[]) => values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
const most = (values: number[]) => values.reduce((a, b) => Math.max(a, b), 0)

function reportNow(): ScreenReport {
  const used = process.cpuUsage(cpu)
  cpu = process.cpuUsage()
  const packets = counters.map((seen) => seen.packets)
  const megabytes = counters.map((seen) => seen.bytes / 1e6)
  const report: ScreenReport = {
    latenciesMs: latenciesMs.splice(0),
    alertIds: watchers.map((heard) => heard.alertIds.splice(0)),
    omittedAlerts: watchers.map((heard) => heard.omitted),
    packets: { fewest: least(packets), most: most(packets) },
    megabytes: { fewest: least(megabytes), most: most(megabytes) },
    cpuSeconds: (used.user + used.system) / 1e6,
  }
  for (const seen of counters) {
    seen.packets = 0
    seen.bytes = 0
  }
  for (const heard of watchers) heard.omitted = 0
  return report
}

process.on('message', async (message: ScreenOrder | 'report') => {
  try {
    if (message === 'report') {
      process.send!(reportNow())
      return
    }
    const { url, cookies, watching, counting } = message
    for (let index = 0; index < watching + counting; index++) {
      const cookie = cookies[index % cookies.length]!
      await (index < watching ? watch(url, cookie) : count(url, cookie))
    }
    process.send!({ connected: watching + counting })
  } catch (error) {
    process.send!({ failure: String(error) })
  }
})
process.on('disconnect', () => process.exit())
