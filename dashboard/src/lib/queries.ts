/** Every read of the hub, with its cache key: features ask by these, and the socket's events update the same keys. */
import type {
  Alert,
  AlertPage,
  AuditPage,
  CameraGroupList,
  DeviceList,
  Dispatch,
  DispatchList,
  EdgeSettingsVersion,
  ExportList,
  GrantList,
  GrantPolicies,
  HistoryStretches,
  IncidentDetail,
  IncidentPage,
  OpenSession,
  Overview,
  PassageList,
  PassagePage,
  PlanList,
  PlanWatching,
  Purpose,
  Region,
  RoleList,
  Series,
  ServiceToken,
  Session,
  SignInWays,
  Team,
  User,
  ViewingPage,
  ViewingRules,
  WatchList,
} from '@patrolhub/protocol'
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { ApiError, api, type Query } from './api.ts'
import { hubNowMs } from './hub-clock.ts'

const ALERTS_A_PAGE = 40
const FOUND_A_PAGE = 100

export const keys = {
  session: ['session'],
  overview: ['overview'],
  alerts: ['alerts'],
  incidents: ['incidents'],
  incident: (incidentId: string) => ['incident', incidentId],
  devices: ['devices'],
  edgeSettings: (edgeId: string) => ['edge-settings', edgeId],
  watchList: ['watch-list'],
  grants: ['grants'],
  groups: ['groups'],
  plans: ['plans'],
  exports: ['exports'],
  recorded: (grantId: string, cameraId: string) => ['recorded', grantId, cameraId],
  grantPolicies: ['grant-policies'],
  dispatches: ['dispatches'],
  teams: ['teams'],
  users: ['users'],
  roles: ['roles'],
  serviceTokens: ['service-tokens'],
  ownSessions: ['own-sessions'],
  signInWays: ['sign-in-ways'],
  regions: ['regions'],
  audit: ['audit'],
  viewings: ['viewings'],
  passageSearch: ['passage-search'],
  series: (deviceId: string, series: string) => ['series', deviceId, series],
  passages: (checkpointId: string) => ['passages', checkpointId],
} as const

/** The session, or `null` for nobody: that is an answer, not an error. */
export const sessionQuery = queryOptions({
  queryKey: keys.session,
  queryFn: async ({ signal }): Promise<Session | null> => {
    try {
      return await api.get<Session>('/api/session', { signal })
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null
      throw error
    }
  },
  staleTime: Number.POSITIVE_INFINITY,
})

export const overviewQuery = queryOptions({
  queryKey: keys.overview,
  queryFn: ({ signal }) => api.get<Overview>('/api/overview', { signal }),
  refetchInterval: 10_000,
})

export const alertsQuery = infiniteQueryOptions({
  queryKey: keys.alerts,
  queryFn: ({ pageParam, signal }) =>
    api.get<AlertPage>('/api/alerts', { query: { limit: ALERTS_A_PAGE, before: pageParam }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next,
})

export type IncidentFilter = 'open' | 'ended'

export const incidentsQuery = (state: IncidentFilter) =>
  queryOptions({
    queryKey: [...keys.incidents, state],
    queryFn: ({ signal }) =>
      api.get<IncidentPage>('/api/incidents', { query: { state, limit: 100 }, signal }),
  })

export const incidentQuery = (incidentId: string) =>
  queryOptions({
    queryKey: keys.incident(incidentId),
    queryFn: ({ signal }) =>
      api.get<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}`, { signal }),
  })

export const devicesQuery = queryOptions({
  queryKey: keys.devices,
  queryFn: ({ signal }) => api.get<DeviceList>('/api/devices', { signal }),
})

/** Asked again while the edge has not answered. */
export const edgeSettingsQuery = (edgeId: string) =>
  queryOptions({
    queryKey: keys.edgeSettings(edgeId),
    queryFn: ({ signal }) =>
      api.get<EdgeSettingsVersion[]>(`/api/edges/${encodeURIComponent(edgeId)}/settings`, { signal }),
    refetchInterval: ({ state: { data } }) =>
      ['offered', 'trying'].includes(data?.[0]?.state ?? '') ? 2000 : false,
  })

export const watchListQuery = queryOptions({
  queryKey: keys.watchList,
  queryFn: ({ signal }) => api.get<WatchList>('/api/watch-list', { signal }),
})

export const regionsQuery = queryOptions({
  queryKey: keys.regions,
  queryFn: ({ signal }) => api.get<Region[]>('/api/regions', { signal }),
  staleTime: 10 * 60_000,
  retry: false,
})

export const grantPoliciesQuery = queryOptions({
  queryKey: keys.grantPolicies,
  queryFn: ({ signal }) => api.get<GrantPolicies>('/api/grant-policies', { signal }),
})

/** Asked again while one is being made. */
export const exportsQuery = queryOptions({
  queryKey: keys.exports,
  queryFn: ({ signal }) => api.get<ExportList>('/api/exports', { signal }),
  refetchInterval: ({ state }) => (state.data?.items.some((item) => item.state === 'making') ? 1000 : false),
})

/** Which times of a grant for history are recorded; its edge is asked. */
export const recordedQuery = (grantId: string, cameraId: string) =>
  queryOptions({
    queryKey: keys.recorded(grantId, cameraId),
    queryFn: ({ signal }) =>
      api.get<HistoryStretches>(`/media/recorded/${encodeURIComponent(grantId)}`, {
        query: { camera: cameraId },
        signal,
      }),
    retry: false,
  })

export const grantsQuery = queryOptions({
  queryKey: keys.grants,
  queryFn: ({ signal }) => api.get<GrantList>('/api/grants', { signal }),
})

export const groupsQuery = queryOptions({
  queryKey: keys.groups,
  queryFn: ({ signal }) => api.get<CameraGroupList>('/api/camera-groups', { signal }),
})

export const plansQuery = queryOptions({
  queryKey: keys.plans,
  queryFn: ({ signal }) => api.get<PlanList>('/api/plans', { signal }),
})

/** Who watches under an active plan; players come and go without a word. */
export const planWatchingQuery = (planId: string) =>
  queryOptions({
    queryKey: [...keys.plans, planId, 'watching'],
    queryFn: ({ signal }) =>
      api.get<PlanWatching>(`/api/plans/${encodeURIComponent(planId)}/watching`, { signal }),
    refetchInterval: 3_000,
  })

export const dispatchesQuery = (state: 'open' | 'ended') =>
  queryOptions({
    queryKey: [...keys.dispatches, state],
    queryFn: ({ signal }) => api.get<DispatchList>('/api/dispatches', { query: { state }, signal }),
  })

export const dispatchQuery = (dispatchId: string) =>
  queryOptions({
    queryKey: ['dispatch', dispatchId],
    queryFn: ({ signal }) =>
      api.get<Dispatch>(`/api/dispatches/${encodeURIComponent(dispatchId)}`, { signal }),
  })

/** The alerts of the incident that a dispatch is about: what a patroller may see of it. */
export const dispatchAlertsQuery = (dispatchId: string) =>
  queryOptions({
    queryKey: ['dispatch-alerts', dispatchId],
    queryFn: ({ signal }) =>
      api.get<{ items: Alert[] }>(`/api/dispatches/${encodeURIComponent(dispatchId)}/alerts`, { signal }),
  })

export const teamsQuery = queryOptions({
  queryKey: keys.teams,
  queryFn: ({ signal }) => api.get<Team[]>('/api/teams', { signal }),
})

export const usersQuery = queryOptions({
  queryKey: keys.users,
  queryFn: ({ signal }) => api.get<User[]>('/api/users', { signal }),
})

export const rolesQuery = queryOptions({
  queryKey: keys.roles,
  queryFn: ({ signal }) => api.get<RoleList>('/api/roles', { signal }),
})

export const serviceTokensQuery = queryOptions({
  queryKey: keys.serviceTokens,
  queryFn: ({ signal }) => api.get<ServiceToken[]>('/api/service-tokens', { signal }),
})

export const ownSessionsQuery = queryOptions({
  queryKey: keys.ownSessions,
  queryFn: ({ signal }) => api.get<OpenSession[]>('/api/session/list', { signal }),
})

export const signInWaysQuery = queryOptions({
  queryKey: keys.signInWays,
  queryFn: ({ signal }) => api.get<SignInWays>('/api/session/ways', { signal }),
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
})

export interface SeriesSpan {
  spanMs: number
  stepMs: number
}

/** The newest `spanMs` of a scored series. */
export const seriesQuery = (deviceId: string, series: string, span: SeriesSpan) =>
  queryOptions({
    queryKey: [...keys.series(deviceId, series), span.spanMs, span.stepMs],
    queryFn: ({ signal }) => {
      const toMs = hubNowMs()
      return api.get<Series>(`/api/devices/${encodeURIComponent(deviceId)}/series/${series}`, {
        query: { fromMs: toMs - span.spanMs, toMs, stepMs: span.stepMs },
        signal,
      })
    },
    refetchInterval: 15_000,
  })

/** Those of one millisecond, which an alert names: they do not change, but may come after their alert. */
export const passagesAtQuery = (checkpointId: string, atMs: number) =>
  queryOptions({
    queryKey: [...keys.passages(checkpointId), 'at', atMs],
    queryFn: ({ signal }) =>
      api.get<PassageList>(`/api/checkpoints/${encodeURIComponent(checkpointId)}/passages`, {
        query: { atMs },
        signal,
      }),
    refetchInterval: ({ state }) => (state.data?.items.length === 0 ? 5_000 : false),
  })

export const passagesQuery = (checkpointId: string, limit: number) =>
  queryOptions({
    queryKey: [...keys.passages(checkpointId), limit],
    queryFn: ({ signal }) =>
      api.get<PassageList>(`/api/checkpoints/${encodeURIComponent(checkpointId)}/passages`, {
        query: { limit },
        signal,
      }),
    refetchInterval: 5_000,
  })

/** Searches of auditors: each goes on the record, so nothing asks again while they read. */
const SEARCH = { staleTime: 30_000, refetchOnWindowFocus: false } as const

export const auditQuery = (terms: Query) =>
  infiniteQueryOptions({
    queryKey: [...keys.audit, terms],
    queryFn: ({ pageParam, signal }) =>
      api.get<AuditPage>('/api/audit', {
        query: { ...terms, limit: FOUND_A_PAGE, before: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
    ...SEARCH,
  })

export const viewingsQuery = (terms: Query) =>
  infiniteQueryOptions({
    queryKey: [...keys.viewings, terms],
    queryFn: ({ pageParam, signal }) =>
      api.get<ViewingPage>('/api/viewings', {
        query: { ...terms, limit: FOUND_A_PAGE, before: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
    ...SEARCH,
  })

export interface PassageSearch {
  terms: Query
  /** Whose passages; it takes a reason. */
  ofPlate?: { plate: string; purpose: Purpose; reason: string }
}

/** Of a plate nothing is kept once the page is left. */
export const passageSearchQuery = ({ terms, ofPlate }: PassageSearch) =>
  infiniteQueryOptions({
    queryKey: [...keys.passageSearch, terms, ofPlate],
    queryFn: ({ pageParam, signal }) => {
      const page = { limit: FOUND_A_PAGE, ...(pageParam === undefined ? {} : { before: pageParam }) }
      return ofPlate === undefined
        ? api.get<PassagePage>('/api/passages', { query: { ...terms, ...page }, signal })
        : api.post<PassagePage>('/api/passages/by-plate', { ...terms, ...page, ...ofPlate })
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
    ...SEARCH,
    retry: false,
    ...(ofPlate === undefined ? {} : { gcTime: 0 }),
  })

export const viewingRulesQuery = queryOptions({
  queryKey: [...keys.viewings, 'rules'],
  queryFn: ({ signal }) => api.get<ViewingRules>('/api/viewings/rules', { signal }),
  staleTime: 10 * 60_000,
})
