/**
 * The socket to the hub: the one place where its events enter. Each event updates the cached lists, so that every page
 * shows the same. A socket that comes back is told what it missed; only if that was too much is everything fetched again.
 */
import type {
  Alert,
  Camera,
  Changes,
  ClientToHub,
  DeviceList,
  Dispatch,
  DispatchList,
  Edge,
  Evidence,
  Grant,
  GrantList,
  HubToClient,
  Incident,
  IncidentDetail,
  IncidentPage,
  Plan,
  PlanList,
  PushEvent,
  PushHandshake,
} from '@patrolhub/protocol'
import type { QueryClient } from '@tanstack/react-query'
import { io, type Socket } from 'socket.io-client'
import {
  type AlertPages,
  detailWithEvidence,
  dispatchWithEvidence,
  pagesWithEvidence,
  replaced,
  withAlert,
  withDispatch,
  withGrant,
  withIncident,
} from './live-cache.ts'
import { keys, sessionQuery } from './queries.ts'

export type LiveState = 'connecting' | 'live' | 'lost'
/** Counts and memberships are asked for again this long after the first of a burst of events. */
const SETTLE_MS = 1_500
/** Pause before a socket that the hub closed or refused is opened again. */
const COME_BACK_MS = 2_000

type Listener<T> = (value: T) => void

export class Live {
  readonly #queries: QueryClient
  #socket: Socket<HubToClient, ClientToHub> | undefined
  #state: LiveState = 'connecting'
  /** Highest that the hub has told; what came after it is asked for when the socket comes back. */
  #revision: number | undefined
  #refreshing: ReturnType<typeof setTimeout> | undefined
  #comingBack: ReturnType<typeof setTimeout> | undefined
  readonly #toRefresh = new Map<string, readonly unknown[]>()
  readonly #onState = new Set<() => void>()
  readonly #onAlert = new Set<Listener<Alert>>()
  readonly #onDispatch = new Set<Listener<Dispatch>>()
  /** Why the hub ended the session; the sign-in page says it once. */
  endedBecause = ''

  constructor(queries: QueryClient) {
    this.#queries = queries
  }

  start(): void {
    if (this.#socket) return
    // WebSocket alone: behind several hubs the requests of a long poll would reach different ones.
    const socket: Socket<HubToClient, ClientToHub> = io({
      path: '/socket.io',
      transports: ['websocket'],
      reconnectionDelayMax: 5_000,
      auth: (give: (handshake: PushHandshake) => void) =>
        give(this.#revision === undefined ? {} : { since: this.#revision }),
    })
    this.#socket = socket
    socket.on('connect', () => this.#set('live'))
    socket.on('disconnect', () => {
      this.#set('lost')
      // socket.io does not come back by itself when the hub closed the socket, as it does when it stops.
      if (!socket.active) void this.#checkSession()
    })
    socket.on('connect_error', () => {
      this.#set('lost')
      // A refused socket may mean that the session is over; the HTTP interface says so clearly.
      if (!socket.active) void this.#checkSession()
    })
    socket.on('changes', (changes) => this.#take(changes))
    socket.on('signedOut', (reason) => {
      this.endedBecause = reason
      this.close()
      this.#queries.setQueryData(keys.session, null)
    })
  }

  close(): void {
    clearTimeout(this.#refreshing)
    clearTimeout(this.#comingBack)
    this.#refreshing = undefined
    this.#socket?.disconnect()
    this.#socket = undefined
    this.#revision = undefined
    this.#set('connecting')
  }

  readonly state = (): LiveState => this.#state
  readonly subscribe = (listener: () => void): (() => void) => subscribed(this.#onState, listener)
  /** Called for each alert that arrives, once. */
  readonly onAlert = (listener: Listener<Alert>): (() => void) => subscribed(this.#onAlert, listener)
  readonly onDispatch = (listener: Listener<Dispatch>): (() => void) => subscribed(this.#onDispatch, listener)

  #set(state: LiveState): void {
    if (state === this.#state) return
    this.#state = state
    for (const listener of this.#onState) listener()
  }

  async #checkSession(): Promise<void> {
    await this.#queries.fetchQuery({ ...sessionQuery, staleTime: 0 }).catch(() => {
      // Not reachable either: the state `lost` is on the screen already.
    })
    if (!this.#socket || !this.#queries.getQueryData(keys.session)) return
    clearTimeout(this.#comingBack)
    this.#comingBack = setTimeout(() => this.#socket?.connect(), COME_BACK_MS)
  }

  #take({ revision, events, omittedAlerts, isReset }: Changes): void {
    const isFirst = this.#revision === undefined
    this.#revision = revision
    if (isFirst || isReset) {
      void this.#queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] })
    }
    for (const event of events) this.#apply(event)
    if (omittedAlerts) this.#refresh(keys.alerts)
  }

  #apply({ event, payload }: PushEvent): void {
    switch (event) {
      case 'alert':
        this.#alert(payload)
        break
      case 'evidence':
        this.#evidence(payload)
        break
      case 'incident':
        this.#incident(payload)
        break
      case 'dispatch':
        this.#dispatch(payload)
        break
      case 'edge':
        this.#edge(payload)
        break
      case 'camera':
        this.#camera(payload)
        break
      case 'grant':
        this.#grant(payload)
        break
      case 'plan':
        this.#plan(payload)
        break
    }
  }

  /** Fetches again soon, once for a burst of events. */
  #refresh(key: readonly unknown[]): void {
    this.#toRefresh.set(JSON.stringify(key), key)
    this.#refreshing ??= setTimeout(() => {
      this.#refreshing = undefined
      const due = [...this.#toRefresh.values()]
      this.#toRefresh.clear()
      for (const queryKey of due) void this.#queries.invalidateQueries({ queryKey })
    }, SETTLE_MS)
  }

  #update<T>(key: readonly unknown[], change: (data: T) => T): void {
    this.#queries.setQueryData<T>(key, (data) => (data === undefined ? undefined : change(data)))
  }

  #alert(alert: Alert): void {
    this.#update<AlertPages>(keys.alerts, (data) => withAlert(data, alert))
    this.#update<IncidentDetail>(keys.incident(alert.incidentId), (detail) => ({
      ...detail,
      alerts: [alert, ...detail.alerts.filter((item) => item.alertId !== alert.alertId)].slice(0, 50),
    }))
    this.#refresh(keys.overview)
    for (const listener of this.#onAlert) listener(alert)
  }

  #evidence(evidence: Evidence): void {
    this.#update<AlertPages>(keys.alerts, (data) => pagesWithEvidence(data, evidence))
    this.#queries.setQueriesData<IncidentDetail>({ queryKey: ['incident'] }, (detail) =>
      detail ? detailWithEvidence(detail, evidence) : detail,
    )
    if (evidence.dispatchId === undefined) return
    this.#update<Dispatch>(['dispatch', evidence.dispatchId], (dispatch) =>
      dispatchWithEvidence(dispatch, evidence),
    )
    this.#refresh(keys.dispatches)
  }

  #incident(incident: Incident): void {
    for (const state of ['open', 'ended'] as const) {
      this.#update<IncidentPage>([...keys.incidents, state], (page) => ({
        ...page,
        items: withIncident(page.items, incident, state === 'ended'),
      }))
    }
    this.#update<IncidentDetail>(keys.incident(incident.incidentId), (detail) => ({ ...detail, incident }))
    // What the caller may do next, and the transitions, are the hub's to say.
    void this.#queries.invalidateQueries({ queryKey: keys.incident(incident.incidentId) })
    this.#refresh(keys.overview)
  }

  #dispatch(dispatch: Dispatch): void {
    for (const state of ['open', 'ended'] as const) {
      this.#update<DispatchList>([...keys.dispatches, state], (list) => ({
        items: withDispatch(list.items, dispatch, state === 'ended'),
      }))
    }
    this.#update<Dispatch>(['dispatch', dispatch.dispatchId], () => dispatch)
    this.#update<IncidentDetail>(keys.incident(dispatch.incident.incidentId), (detail) => ({
      ...detail,
      incident: dispatch.incident,
      dispatches: replaced(detail.dispatches, dispatch, (item) => item.dispatchId),
    }))
    void this.#queries.invalidateQueries({ queryKey: keys.incident(dispatch.incident.incidentId) })
    this.#refresh(keys.overview)
    this.#refresh(keys.teams)
    for (const listener of this.#onDispatch) listener(dispatch)
  }

  #edge(edge: Edge): void {
    this.#update<DeviceList>(keys.devices, (list) => ({
      ...list,
      edges: replaced(list.edges, edge, (item) => item.edgeId),
    }))
    // A hello may bring cameras, checkpoints and sensors that were not known.
    this.#refresh(keys.devices)
    this.#refresh(keys.overview)
  }

  #camera(camera: Camera): void {
    this.#update<DeviceList>(keys.devices, (list) => ({
      ...list,
      cameras: replaced(list.cameras, camera, (item) => item.cameraId),
    }))
    this.#refresh(keys.overview)
  }

  #plan(plan: Plan): void {
    this.#update<PlanList>(keys.plans, (list) => ({
      items: replaced(list.items, plan, (item) => item.planId),
    }))
    this.#refresh(keys.plans)
  }

  #grant(grant: Grant): void {
    this.#update<GrantList>(keys.grants, (list) => ({ items: withGrant(list.items, grant) }))
  }
}

function subscribed<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}
