/**
 * socket.io events from the hub (path `/socket.io`, signed in by the session cookie). A client is put in the room of
 * its scope and gets what happens inside that scope, and, as a patroller, in the rooms of its teams. After a reconnect
 * a client fetches the lists again.
 */
import type { Alert, Evidence } from './rest/alerts.ts'
import type { Camera, Edge } from './rest/devices.ts'
import type { Dispatch, Incident } from './rest/incidents.ts'
import type { Grant } from './rest/streams.ts'

export interface HubToClient {
  alert: (alert: Alert) => void
  evidence: (evidence: Evidence) => void
  incident: (incident: Incident) => void
  dispatch: (dispatch: Dispatch) => void
  edge: (edge: Edge) => void
  camera: (camera: Camera) => void
  /** To the grant's user and to those who may approve it. */
  grant: (grant: Grant) => void
  /** The session has ended (signed out elsewhere, expired, disabled): the client shows the sign-in page. */
  signedOut: (reason: string) => void
}

/** Clients say nothing over the socket; they use the HTTP interface. */
export type ClientToHub = Record<string, never>
