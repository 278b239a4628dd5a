/** What the push feature offers besides `Push`: its life and its figures. */
import type { Server } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { Logger } from 'pino'
import type { Access } from '../access/access.ts'
import type { HubConfig } from '../config.ts'
import type { Push, PushMessage } from './push.ts'

export interface PushDeps {
  config: Pick<HubConfig, 'trustProxy'>
  access: Pick<Access, 'authenticate' | 'onSessionsEnded' | 'onUsersChanged'>
  log: Logger
  /** What changed after the one revision up to the other, as it stands now; `undefined` if that is too much to tell. */
  missed(since: number, upTo: number): Promise<PushMessage[] | undefined>
}

export interface PushStats {
  connected: number
  /** Events sent, each counted once however many sockets got it. */
  sent: number
  /** Sockets cut because they did not read what they were sent. */
  slowClientsCut: number
  /** Handshakes refused: no session, one-time password, a foreign origin, or too many of one user. */
  refused: number
  /** Events told to clients that came back. */
  replayed: number
  /** Clients that came back after too much had happened, and fetch their lists again. */
  resets: number
}

export interface PushSockets extends Push {
  /** Serves /socket.io on the hub's server (`app.server`); before `listen`. Events sent earlier reach nobody. */
  attach(server: Server | TlsServer): void
  stats(): PushStats
  close(): Promise<void>
}
