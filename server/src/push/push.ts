/** Sending events to the screens they concern. Rooms follow from the region (access/scope) and from teams and users. */
import type { HubToClient } from '@patrolhub/protocol'

export type PushEvent = {
  [E in keyof HubToClient]: { event: E; payload: Parameters<HubToClient[E]>[0] }
}[keyof HubToClient]

export interface PushTarget {
  /** Everybody whose scope covers this region and who may watch (not patrollers). */
  region?: string
  teamId?: string
  userId?: string
}

export interface Push {
  /** Sends once to each socket that any part of the target names. Never waits for a slow client. */
  send(target: PushTarget, message: PushEvent): void
  /** Ends the sockets of these sessions after telling them why. */
  endSessions(sessionHashes: readonly string[], reason: string): void
}
