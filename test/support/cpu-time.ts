/** Processor time that a process and all its descendants have used, from Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** `USER_HZ`, which Linux shows to programs as 100 on every architecture. */
const TICKS_A_SECOND = 100

/** Seconds in user and kernel mode; of descendants that have ended too, once somebody has waited for them. */
export function cpuSeconds(pid: number): number {
  const parents = new Map<number, number>()
  const seconds = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    let stat: string
    try {
      stat = readFileSync(`/proc/${name}/stat`, 'utf8')
    } catch {
      continue // It has ended meanwhile.
    }
    // proc(5): fields 4 (ppid), 14 to 17 (utime, stime, cutime, cstime), behind a name that may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    parents.set(Number(name), Number(fields[1]))
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
    seconds.set(Number(name), ticks / TICKS_A_SECOND)
  }
  let total = 0
  for (const [one, used] of seconds) {
    for (let at: number | undefined = one; at !== undefined && at !== 0; at = parents.get(at)) {
      if (at !== pid) continue
      total += used
      break
    }
  }
  return total
}
