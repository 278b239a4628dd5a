/** What the exports feature needs and offers: packages of recorded history that somebody takes out under a grant. */
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { HistorySpan, HistoryStretch } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { Access } from '../access/access.ts'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import type { HubConfig } from '../config.ts'
import type { Relational } from '../ports/relational.ts'

/** A grant for history that holds, and its camera. */
export interface AdmittedHistory {
  span: HistorySpan
  camera: { cameraId: string; name: string; region: string }
  grant: {
    grantId: string
    purpose: string
    note: string
    incidentId: string | null
    approverName: string | null
    beginAtMs: number
    endAtMs: number
  }
}

/** Recorded history under a grant; see HistoryAccess of the streams. */
export interface HistorySource {
  admit(
    caller: Pick<Principal, 'userId'>,
    wanted: { grantId: string; cameraId: string | undefined },
  ): Promise<AdmittedHistory>
  holds(grantId: string): Promise<boolean>
  stretches(admitted: AdmittedHistory, signal?: AbortSignal): Promise<HistoryStretch[]>
  clip<T>(
    admitted: AdmittedHistory,
    wanted: { part: HistorySpan; maxBytes: number; signal: AbortSignal },
    keep: (body: Readable, fromMs: number) => Promise<T>,
  ): Promise<T>
  onCut(listener: (cut: { grantId: string; keeps: ReadonlySet<string> }) => void): void
}

export interface ExportsDeps {
  config: Pick<HubConfig, 'dataDir' | 'rootScope' | 'exportKey'>
  /** Of this hub's run. */
  hubId: string
  relational: Relational
  audit: AuditTrail
  access: Pick<Access, 'onSessionsEnded'>
  history: HistorySource
  log: Logger
  limits?: Partial<ExportLimits>
  now?: () => number
}

export interface ExportLimits {
  /** Longest span of one package. */
  maxSpanMs: number
  /** Of all clips of one package. */
  maxBytes: number
  /** Breaks in the recording: each stretch is a clip. */
  maxClips: number
  /** Being made or waiting for it, at this hub and of one user. */
  maxWaiting: number
  maxWaitingPerUser: number
}

export const EXPORT_LIMITS: ExportLimits = {
  maxSpanMs: 4 * 3_600_000,
  maxBytes: 4 * 1024 ** 3,
  maxClips: 200,
  maxWaiting: 16,
  maxWaitingPerUser: 3,
}

export interface Exports {
  /** Makes the folder, removes what a crash left half done. */
  start(): Promise<void>
  /** Ends what is being made and every download. Idempotent. */
  close(): Promise<void>
  /** Marks as failed what hubs that are gone left half made. */
  sweep(livingHubs: readonly string[]): Promise<void>
  /** Deletes the packages of this hub whose grants have ended; answers how many. */
  removeEnded(): Promise<number>
  routes: FastifyPluginAsyncTypebox
}
