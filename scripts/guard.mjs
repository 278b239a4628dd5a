/**
 * A small process that outlives its parent for a moment: when its standard input closes, because the parent has ended
 * in whatever way (SIGKILL included), it ends every process group that it was told of. The parent writes lines:
 *   watch PGID     end this group when the parent is gone
 *   forget PGID    the group has ended by itself
 * It ignores the signals that a terminal sends to everybody, so that it is still there when it is needed.
 */
import { createInterface } from 'node:readline'

/** What a hub or an edge gets to close its files in order. */
const GRACE_MS = 6000
const POLL_MS = 100

const groups = new Set()

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [verb, id] = line.split(' ')
    const group = Number(id)
    if (!Number.isInteger(group) || group <= 1) return
    if (verb === 'watch') groups.add(group)
    if (verb === 'forget') groups.delete(group)
  })
  .on('close', endAll)

async function endAll() {
  for (const group of groups) signalGroup(group, 'SIGTERM')
  const deadline = performance.now() + GRACE_MS
  while (performance.now() < deadline && [...groups].some(isAlive)) {
    await new Promise((wake) => setTimeout(wake, POLL_MS))
  }
  for (const group of groups) signalGroup(group, 'SIGKILL')
  process.exit(0)
}

function isAlive(group) {
  return signalGroup(group, 0)
}

function signalGroup(group, signal) {
  try {
    process.kill(-group, signal)
    return true
  } catch {
    // No such group any more.
    return false
  }
}
