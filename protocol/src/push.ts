/**
 * socket.io events from the hub (path `/socket.io`, signed in by the session cookie). A client is put in the room of
 * its scope and gets what happens inside that scope, and, as a patroller, in the rooms of its teams.
 *
 * Everything that happens has a revision, a number of the hub's store that only grows. A client keeps the highest it was
 * told and gives it as `auth.since` when it connects again, to whichever hub: the first packet then brings what it
 * missed, as it stands now, or says that it was too much and the lists have to be fetched again.
 */
import { type Static, Type } from 'typebox'
import type { Alert, Evidence } from './rest/alerts.ts'
import type { Camera, Edge } from './rest/devices.ts'
import type { Dispatch, Incident } from './rest/incidents.ts'
import type { Plan } from './rest/plans.ts'
import type { Grant } from './rest/streams.ts'

/** What happened, with the thing as it stands now: a later one replaces an earlier one of the same id. */
export interface PushPayloads {
  alert: Alert
  evidence: Evidence
  incident: Incident
  dispatch: Dispatch
  edge: Edge
  camera: Camera
  /** To the grant's user and to those who may approve it. */
  grant: Grant
  plan: Plan
}

export type PushEvent = {
  [E in keyof PushPayloads]: { event: E; payload: PushPayloads[E] }
}[keyof PushPayloads]

/** What happened since the packet before; one a moment, however much happens. */
export interface Changes {
  /** Everything that concerns the client up to this revision has been told. */
  revision: number
  events: PushEvent[]
  /** Alerts of a burst that the packet leaves out (dispatches and incidents never are): ask for the list. */
  omittedAlerts?: number
  /** Too much was missed to be told: fetch the lists again. */
  isReset?: true
}

export interface HubToClient {
  changes: (changes: Changes) => void
  /** The session has ended (signed out elsewhere, expired, disabled): the client shows the sign-in page. */
  signedOut: (reason: string) => void
}

/** Clients say nothing over the socket; they use the HTTP interface. */
export type ClientToHub = Record<string, never>

/** `auth` of the socket.io handshake. */
export const PushHandshake = Type.Object({
  since: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
})
export type PushHandshake = Static<typeof PushHandshake>
