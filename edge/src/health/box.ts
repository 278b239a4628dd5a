/** How the machine does that an edge runs on, ffmpeg and everything else included. */
import { readdir, readFile, statfs } from 'node:fs/promises'
import { cpus, freemem, totalmem } from 'node:os'
import { join } from 'node:path'
import type { BoxHealth } from '@patrolhub/protocol'

const MEGABYTE = 1024 ** 2

export class Box {
  readonly #dataDir: string
  readonly #thermalDir: string
  #before = busyAndTotal()

  constructor(dataDir: string, thermalDir = '/sys/class/thermal') {
    this.#dataDir = dataDir
    this.#thermalDir = thermalDir
  }

  /** `cpuPercent` is of all cores together, since the last call. */
  async health(): Promise<BoxHealth> {
    const now = busyAndTotal()
    const total = now.total - this.#before.total
    const cpuPercent = total > 0 ? (100 * (now.busy - this.#before.busy)) / total : 0
    this.#before = now
    const temperatureC = await hottest(this.#thermalDir)
    const disk = await statfs(this.#dataDir).catch(() => undefined)
    return {
      cpuPercent: Math.round(cpuPercent * 10) / 10,
      memoryFreeMb: Math.round((await availableBytes()) / MEGABYTE),
      memoryTotalMb: Math.round(totalmem() / MEGABYTE),
      ...(disk
        ? {
            diskFreeMb: Math.round((disk.bavail * disk.bsize) / MEGABYTE),
            diskTotalMb: Math.round((disk.blocks * disk.bsize) / MEGABYTE),
          }
        : {}),
      ...(temperatureC === undefined ? {} : { temperatureC }),
    }
  }
}

function busyAndTotal(): { busy: number; total: number } {
  let busy = 0
  let total = 0
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.idle + times.irq
    total += all
    busy += all - times.idle
  }
  return { busy, total }
}

/** What programs can still get: file caches are given back when they are needed. */
async function availableBytes(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '')
  const found = /^MemAvailable:\s+(\d+) kB$/m.exec(text)
  return found ? Number(found[1]) * 1024 : freemem()
}

/** Of the machine's zones, °C; `undefined` where it has none, as in most virtual machines. */
async function hottest(thermalDir: string): Promise<number | undefined> {
  const zones = (await readdir(thermalDir).catch(() => [])).filter((name) => name.startsWith('thermal_zone'))
  const readings = await Promise.all(
    zones.map(async (zone) =>
      Number(await readFile(join(thermalDir, zone, 'temp'), 'utf8').catch(() => 'x')),
    ),
  )
  // A zone without a sensor behind it says 0, less than zero or nothing.
  const celsius = readings.map((value) => value / 1000).filter((value) => value > 0 && value < 150)
  return celsius.length === 0 ? undefined : Math.round(Math.max(...celsius) * 10) / 10
}
