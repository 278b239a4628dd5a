/** What of a burst each socket is told, in one packet a socket. Pure. */
import type { Changes, PushEvent } from '@patrolhub/protocol'
import type { PushMessage } from './push.ts'
import { roomsOfTarget } from './rooms.ts'

/** More alerts than this in one packet tell a person nothing: the rest is counted, and the list has them. */
export const MAX_ALERTS = 50

export interface Packet {
  socketIds: string[]
  changes: Changes
}

/** Sockets that hear the same share one packet, so that it is encoded once. */
export function packetsFor(
  messages: readonly PushMessage[],
  sockets: Iterable<{ id: string; rooms: ReadonlySet<string> }>,
  revision: number,
): Packet[] {
  const byRoom = new Map<string, number[]>()
  messages.forEach(({ target, event }, index) => {
    for (const room of roomsOfTarget(target, event.event)) {
      const indexes = byRoom.get(room)
      if (indexes) indexes.push(index)
      else byRoom.set(room, [index])
    }
  })
  // Sockets in the same of these rooms hear the same: worked out once for all of them.
  const packets = new Map<string, Packet>()
  for (const { id, rooms } of sockets) {
    const concerned = [...rooms].filter((room) => byRoom.has(room))
    if (concerned.length === 0) continue
    const key = concerned.join('\n')
    const packet = packets.get(key)
    if (packet) {
      packet.socketIds.push(id)
      continue
    }
    const heard = new Set(concerned.flatMap((room) => byRoom.get(room)!))
    const events = [...heard].sort((a, b) => a - b).map((index) => messages[index]!.event)
    packets.set(key, { socketIds: [id], changes: changesOf(events, revision) })
  }
  return [...packets.values()]
}

/** The newest alerts stay; everything else stays whole. */
function changesOf(events: PushEvent[], revision: number): Changes {
  const alerts = events.filter(({ event }) => event === 'alert').length
  const omitted = Math.max(0, alerts - MAX_ALERTS)
  if (omitted === 0) return { revision, events }
  let toLeaveOut = omitted
  const kept = events.filter(({ event }) => event !== 'alert' || toLeaveOut-- <= 0)
  return { revision, events: kept, omittedAlerts: omitted }
}
