/** Figures for the screens: scored series, the newest passages of a checkpoint, the overview. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  type CameraHealth,
  type Overview,
  Overview as OverviewSchema,
  PassageList,
  Series,
} from '@patrolhub/protocol'
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
const HOUR_MS = 3_600_000
/** Counting reads every point of the scope; all screens of one scope share an answer this long. */
const COUNTS_LIFE_MS = 3000

const EPOCH_RANGE = { minimum: 0, maximum: 8_640_000_000_000_000 }

const SeriesQueryString = Type.Object(
  {
    // Bounded as every time is: past 2^53 a step would not move the time any more.
    fromMs: Type.Optional(Type.Integer({ ...EPOCH_RANGE, description: 'default: an hour before toMs' })),
    toMs: Type.Optional(Type.Integer({ ...EPOCH_RANGE, description: 'default: now' })),
    stepMs: Type.Integer({ minimum: 1000, maximum: 86_400_000, default: 60_000 }),
  },
  { additionalProperties: false },
)

const PassagesQueryString = Type.Object(
  { limit: Type.Integer({ minimum: 1, maximum: 500, default: 50 }) },
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
        const { stepMs, toMs = now(), fromMs = Math.max(0, toMs - HOUR_MS) } = request.query
        if (fromMs >= toMs || (toMs - fromMs) / stepMs > MAX_STEPS) {
          throw new HubError('HUB_BAD_REQUEST', 'the time span does not fit', {
            details: [`/fromMs: has to be before toMs, with at most ${MAX_STEPS} steps between`],
          })
        }
        await requireDevice(request.principal, deviceId)
        const { scope } = request.principal
        const points = await timeseries.scoredSeries({ deviceId, series, scope, fromMs, toMs, stepMs })
        return { deviceId, series, stepMs, points }
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
        const device = await requireDevice(request.principal, checkpointId)
        if (device.kind !== 'checkpoint') {
          throw new HubError('HUB_NOT_FOUND', `${checkpointId} is a ${device.kind}, not a checkpoint`)
        }
        const { scope } = request.principal
        return { items: await timeseries.latestPassages(checkpointId, scope, request.query.limit) }
      },
    )
  }

  return { overview, routes }
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
  const alerts = await db
    .selectFrom('alert')
    .select((eb) => [
      eb.fn.countAll<number>().as('total'),
      eb.fn.sum<number | null>(eb.case().when('at_ms', '>=', todayMs).then(1).else(0).end()).as('today'),
    ])
    .where((eb) => inScope(who, eb.ref('alert.region')))
    .executeTakeFirstOrThrow()
  const incidents = await db
    .selectFrom('incident')
    .select((eb) => [
      eb.fn.countAll<number>().as('total'),
      eb.fn
        .sum<number | null>(eb.case().when('state', 'in', ['closed', 'dismissed']).then(0).else(1).end())
        .as('open'),
    ])
    .where((eb) => inScope(who, eb.ref('incident.region')))
    .executeTakeFirstOrThrow()
  const dispatches = await db
    .selectFrom('dispatch')
    .select((eb) => eb.fn.countAll<number>().as('open'))
    .where('state', '!=', 'closed')
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
    alertsToday: alerts.today ?? 0,
    alertsTotal: alerts.total,
    incidentsOpen: incidents.open ?? 0,
    incidentsTotal: incidents.total,
    dispatchesOpen: dispatches.open,
    framesAnalysed: healths.reduce((sum, { health }) => sum + (health?.framesAnalysed ?? 0), 0),
  }
}
