/** What the streams feature needs and offers: grants, and the gate that lets their bytes through and cuts them. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Grant, HistoryCommand, RelayCommand } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { Access } from '../access/access.ts'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { ChangeLog } from '../changes/changes.ts'
import type { HubConfig } from '../config.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { HistoryAccess } from './history-access.ts'
import type { StreamLimits } from './limits.ts'
import type { agreeUnderPlan, endUnderPlan, giveUnderPlan } from './plan-grants.ts'
import type { MarkConfig } from './viewing-marks.ts'

export interface StreamsDeps {
  config: Pick<HubConfig, 'rootScope' | 'trustProxy'> & MarkConfig
  /** Of this hub's run. */
  hubId: string
  relational: Relational
  audit: AuditTrail
  changes: ChangeLog
  access: Pick<Access, 'onSessionsEnded' | 'onUsersChanged'>
  /** Tells an edge to publish a camera or to stop, over MQTT. An edge that is away does not get it: it is told again. */
  sendRelay(edgeId: string, command: RelayCommand): void | Promise<void>
  /** Asks an edge about its recordings, over MQTT, once. */
  sendHistory(edgeId: string, command: HistoryCommand): void | Promise<void>
  log: Logger
  limits?: Partial<StreamLimits>
  /** Wall clock; tests give their own. */
  now?: () => number
}

export interface Streams {
  /** Starts the media server and the watch over grants. Aborting `signal` closes. */
  start(signal?: AbortSignal): Promise<void>
  /** Closes on the record what hubs that are gone left open; `livingHubs` are those that are not. */
  sweepViewings(livingHubs: readonly string[]): Promise<void>
  /** Cuts every viewing, tells the edges to stop, stops the media server. Idempotent. */
  close(): Promise<void>
  /** /api/grants… and /media/live, /media/publish. Cuts the players before the server stops listening. */
  routes: FastifyPluginAsyncTypebox
  /** Of these grants, changed here or at another hub, those that are over are cut. */
  grantsChanged(grantIds: ReadonlySet<string>): Promise<void>
  /** Of these incidents, changed here or at another hub, those that are over end the grants given for them. */
  incidentsChanged(incidentIds: ReadonlySet<string>): Promise<void>
  /** Grants that a plan gives and ends, inside the caller's transaction; see plan-grants.ts. */
  readonly underPlan: UnderPlan
  /** Cuts the viewings of these sessions. */
  cutSessions(sessionHashes: readonly string[]): void
  /** Recorded history under a grant, for exports. */
  history: HistoryAccess
  /** Looks soon at everything that may have to end. */
  look(): void
  /** Grants as screens show them; see Grants.views. */
  grantViews(grantIds: readonly string[]): Promise<{ region: string; userId: string; grant: Grant }[]>
  stats(): StreamsStats
}

/** What plan-grants.ts does, with the streams feature's own record and log of changes. */
export interface UnderPlan {
  give(trx: DbOrTransaction, order: Parameters<typeof giveUnderPlan>[2]): Promise<void>
  agree(trx: DbOrTransaction, order: Parameters<typeof agreeUnderPlan>[2]): Promise<void>
  end(trx: DbOrTransaction, order: Parameters<typeof endUnderPlan>[2]): Promise<string[]>
}

export interface StreamsStats {
  /** Players open now, those that wait for their first picture included. */
  viewings: number
  /** Cameras that are asked for now, and those of them that an edge publishes now. */
  camerasWanted: number
  camerasPublished: number
  viewingsOpened: number
  viewingsClosed: Partial<Record<WhyClosed, number>>
  /** Bytes that wait for players that do not keep up. */
  waitingBytes: number
  /** Times that a player which did not keep up was moved to the next key frame, and the tags it missed. */
  playersSkipped: number
  tagsDropped: number
  /** Publishers turned away or cut, by error code. */
  publishesRefused: Record<string, number>
  mediaServerRestarts: number
}

/** Why a viewing ended; kept in `viewing.why_closed`. */
export type WhyClosed =
  | 'player left'
  | 'grant expired'
  | 'grant revoked'
  /** The grant goes on, but does not open this camera any more. */
  | 'camera closed'
  | 'session ended'
  | 'too slow'
  | 'no stream'
  | 'stream lost'
  | 'history over'
  | 'nothing recorded'
  | 'not playable'
  | 'hub stopped'
  | 'hub crashed'
