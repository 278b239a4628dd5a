/** Figures for the screens: scored series, the newest passages of a checkpoint, the overview. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  type CameraHealth,
  DISPATCH_STATES,
  Flow,
  INCIDENT_STATES,
  type Overview,
  Overview as OverviewSchema,
  PassageList,
  RegionCode,
  Series,
} from '@patrolhub/protocol'
import { sql } from 'kysely'
import { Type } from 'typebox'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { inScope, type Scoped } from '../access/scope.ts'
import { startOfDay } from '../china-day.ts'
import { HubError } from '../errors.ts'
import type { Relational } from '../ports/relational.ts'
import type { PointCounts, TimeSeries } from '../ports/timeseries.ts'

export interface AnalyticsDeps {
  relational: Relational
  timeseries: TimeSeries
  /** Kind and place of a device, `undefined` if no edge describes it. */
  findDevice(deviceId: string): Promise<{ kind: string; region: string } | undefined>
  now?: () => number
}

export interface Analytics {
  overview(principal: Principal): Promise<Overview>
  routes: FastifyPluginAsyncTypebox
}

const MAX_STEPS = 5000
/** Named one by one: "not closed" would be looked for in every row there is. */
const OPEN_INCIDENT = INCIDENT_STATES.filter((state) => state !== 'closed' && state !== 'dismissed')
const OPEN_DISPATCH = DISPATCH_STATES.filter((state) => state !== 'closed')
const HOUR_MS = 3_600_000
/** Counting reads every point of the scope; all screens of one scope share an answer this long. */
const COUNTS_LIFE_MS = 3000

const EPOCH_RANGE = { minimum: 0, maximum: 8_640_000_000_000_000 }

const steps = {
  // Bounded as every time is: past 2^53 a step would not move the time any more.
  fromMs: Type.Optional(Type.Integer({ ...EPOCH_RANGE, description: 'default: an hour before toMs' })),
  toMs: Type.Optional(Type.Integer({ ...EPOCH_RANGE, description: 'default: now' })),
  stepMs: Type.Integer({ minimum: 1000, maximum: 86_400_000, default: 60_000 }),
}
const SeriesQueryString = Type.Object(steps, { additionalProperties: false })
const FlowQueryString = Type.Object(
  {
    ...steps,
    region: Type.Optional(Type.Unsafe<RegionCode>({ ...RegionCode, description: 'default: the own scope' })),
    deviceId: Type.Optional(
      Type.String({ maxLength: 64, description: 'one checkpoint; default: all together' }),
    ),
  },
  { additionalProperties: false },
)

const PassagesQueryString = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 500, default: 50 }),
    atMs: Type.Optional(
      Type.Integer({ ...EPOCH_RANGE, description: 'only those of this millisecond, which an alert names' }),
    ),
  },
  { additionalProperties: false },
)

export function analyticsFeature(deps: AnalyticsDeps): Analytics {
  const { relational, timeseries, now = Date.now } = deps
  const counts = new Map<string, { untilMs: number; answer: Promise<PointCounts> }>()

  function countPoints(scope: string): Promise<PointCounts> {
    const nowMs = now()
    for (const [key, { untilMs }] of counts) if (untilMs <= nowMs) counts.delete(key)
    const known = counts.get(scope)
    if (known) return known.answer
    const answer = timeseries.count(scope)
    counts.set(scope, { untilMs: nowMs + COUNTS_LIFE_MS, answer })
    // A failure is told to those who asked and is not kept.
    answer.catch(() => counts.delete(scope))
    return answer
  }

  async function overview(principal: Principal): Promise<Overview> {
    const [rows, inside, whole] = await Promise.all([
      countRows(relational, principal, startOfDay(now())),
      countPoints(principal.scope),
      may(principal, 'role.write') ? countPoints('') : undefined,
    ])
    return {
      ...rows,
      passagesTotal: inside.passages,
      readingsTotal: inside.readings,
      pointsTotal: whole?.total ?? 0,
    }
  }

  async function requireDevice(who: Principal, deviceId: string): Promise<{ kind: string }> {
    const device = await deps.findDevice(deviceId)
    // Outside the scope and not there are one answer: nobody learns what exists elsewhere.
    if (!device || !may(who, 'series.read', { region: device.region })) {
      throw new HubError('HUB_NOT_FOUND', `there is no device ${deviceId} in your scope`)
    }
    return device
  }

  async function requireCheckpoint(who: Principal, deviceId: string): Promise<void> {
    const { kind } = await requireDevice(who, deviceId)
    if (kind !== 'checkpoint') {
      throw new HubError('HUB_NOT_FOUND', `${deviceId} is a ${kind}, not a checkpoint`)
    }
  }

  const routes: FastifyPluginAsyncTypebox = async (app) => {
    app.get(
      '/api/overview',
      {
        config: { access: 'overview.read' },
        schema: {
          summary: 'Counts inside the scope',
          tags: ['analytics'],
          response: { 200: OverviewSchema },
        },
      },
      (request) => overview(request.principal),
    )

    app.get(
      '/api/devices/:deviceId/series/:series',
      {
        config: { access: 'series.read' },
        schema: {
          summary: 'A scored series by step; a gap is null',
          tags: ['analytics'],
          params: Type.Object({ deviceId: Type.String(), series: Type.String({ maxLength: 40 }) }),
          querystring: SeriesQueryString,
          response: { 200: Series },
        },
      },
      async (request) => {
        const { deviceId, series } = request.params
        const span = spanOf(request.query, now())
        await requireDevice(request.principal, deviceId)
        const { scope } = request.principal
        const points = await timeseries.scoredSeries({ deviceId, series, scope, ...span })
        return { deviceId, series, stepMs: span.stepMs, points }
      },
    )

    app.get(
      '/api/flow',
      {
        config: { access: 'series.read' },
        schema: {
          summary: 'Vehicles and their mean speed by step; a step in which nothing passed is null',
          description: 'Of one checkpoint, or of all checkpoints of a division together.',
          tags: ['analytics'],
          querystring: FlowQueryString,
          response: { 200: Flow },
        },
      },
      async (request) => {
        const { principal } = request
        const { region = principal.scope, deviceId } = request.query
        if (!may(principal, 'series.read', { region })) {
          throw new HubError(
            'HUB_OUT_OF_SCOPE',
            `region ${region} lies outside your scope ${principal.scope}`,
          )
        }
        const span = spanOf(request.query, now())
        const device = deviceId === undefined ? {} : { deviceId }
        if (deviceId !== undefined) await requireCheckpoint(principal, deviceId)
        const points = await timeseries.passageFlow({ scope: region, ...device, ...span })
        return { region, ...device, stepMs: span.stepMs, points }
      },
    )

    app.get(
      '/api/checkpoints/:checkpointId/passages',
      {
        config: { access: 'series.read' },
        schema: {
          summary: 'The newest passages, without plates',
          tags: ['analytics'],
          params: Type.Object({ checkpointId: Type.String() }),
          querystring: PassagesQueryString,
          response: { 200: PassageList },
        },
      },
      async (request) => {
        const { checkpointId } = request.params
        await requireCheckpoint(request.principal, checkpointId)
        const { scope } = request.principal
        const { limit, atMs } = request.query
        return { items: await timeseries.latestPassages(checkpointId, scope, limit, atMs) }
      },
    )
  }

  return { overview, routes }
}

interface Span {
  fromMs: number
  toMs: number
  stepMs: number
}

/** The span that is asked for, with what is left out filled in. Throws HUB_BAD_REQUEST for one that does not fit. */
function spanOf(query: { fromMs?: number; toMs?: number; stepMs: number }, nowMs: number): Span {
  const { stepMs, toMs = nowMs, fromMs = Math.max(0, toMs - HOUR_MS) } = query
  if (fromMs >= toMs || (toMs - fromMs) / stepMs > MAX_STEPS) {
    throw new HubError('HUB_BAD_REQUEST', 'the time span does not fit', {
      details: [`/fromMs: has to be before toMs, with at most ${MAX_STEPS} steps between`],
    })
  }
  return { fromMs, toMs, stepMs }
}

type RowCounts = Omit<Overview, 'passagesTotal' | 'readingsTotal' | 'pointsTotal'>

async function countRows(relational: Relational, who: Scoped, todayMs: number): Promise<RowCounts> {
  const db = relational.read
  const edges = await db
    .selectFrom('edge')
    .select(['state', (eb) => eb.fn.countAll<number>().as('count')])
    .where((eb) => inScope(who, eb.ref('edge.region')))
    .groupBy('state')
    .execute()
  const cameras = await db
    .selectFrom('device')
    .innerJoin('edge', 'edge.edge_id', 'device.edge_id')
    .select(['device.health', 'edge.state as edge_state'])
    .where('device.kind', '=', 'camera')
    .where((eb) => inScope(who, eb.ref('device.region')))
    .execute()
  const { alertsToday } = await db
    .selectFrom('alert')
    .select((eb) => eb.fn.countAll<number>().as('alertsToday'))
    .where('at_ms', '>=', todayMs)
    // Not by the index on the region: of a wide scope nearly every row of it is older than today.
    .where((eb) => inScope(who, eb.fn.coalesce('alert.region', sql.lit(''))))
    .executeTakeFirstOrThrow()
  const totals = await db
    .selectFrom('region_tally')
    .select((eb) => [
      eb.fn.sum<number | null>('alerts').as('alerts'),
      eb.fn.sum<number | null>('incidents').as('incidents'),
    ])
    .where((eb) => inScope(who, eb.ref('region_tally.region')))
    .executeTakeFirstOrThrow()
  const incidents = await db
    .selectFrom('incident')
    .select((eb) => eb.fn.countAll<number>().as('open'))
    .where('state', 'in', OPEN_INCIDENT)
    .where((eb) => inScope(who, eb.ref('incident.region')))
    .executeTakeFirstOrThrow()
  const dispatches = await db
    .selectFrom('dispatch')
    .select((eb) => eb.fn.countAll<number>().as('open'))
    .where('state', 'in', OPEN_DISPATCH)
    .where((eb) => inScope(who, eb.ref('dispatch.region')))
    .executeTakeFirstOrThrow()

  const healths = cameras.map(({ health, edge_state }) => ({
    health: health === null ? undefined : (JSON.parse(health) as CameraHealth),
    isEdgeOnline: edge_state === 'online',
  }))
  return {
    edgesOnline: edges.find(({ state }) => state === 'online')?.count ?? 0,
    edgesTotal: edges.reduce((sum, { count }) => sum + count, 0),
    camerasOnline: healths.filter(({ health, isEdgeOnline }) => isEdgeOnline && health?.state === 'online')
      .length,
    camerasTotal: cameras.length,
    alertsToday,
    alertsTotal: totals.alerts ?? 0,
    incidentsOpen: incidents.open,
    incidentsTotal: totals.incidents ?? 0,
    dispatchesOpen: dispatches.open,
    framesAnalysed: healths.reduce((sum, { health }) => sum + (health?.framesAnalysed ?? 0), 0),
  }
}
