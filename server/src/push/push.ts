/** Sending events to the screens they concern. Rooms follow from the region (access/scope) and from teams and users. */
import type { PushEvent } from '@patrolhub/protocol'

export interface PushTarget {
  /** Everybody whose scope covers this region and who may watch (not patrollers). */
  region?: string
  teamId?: string
  userId?: string
}

export interface PushMessage {
  target: PushTarget
  event: PushEvent
}

export interface Push {
  /**
   * Sends each message once to each socket that any part of its target names, all of one socket's in one packet.
   * `revision`: nothing up to it is left to be told. Never waits for a slow client.
   */
  send(messages: readonly PushMessage[], revision: number): void
  /** Ends the sockets of these sessions after telling them why. */
  endSessions(sessionHashes: readonly string[], reason: string): void
  /** Ends the sockets of these users, who come back by themselves with the rooms they may have now. */
  refreshUsers(userIds: readonly string[]): void
}
