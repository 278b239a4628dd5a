/** Composes the streams feature: grants, the gate, the media server behind it, and the watch over all of them. */
import { isSameOrigin } from '../access/origin.ts'
import { EdgeAsks } from './edge-asks.ts'
import { Gate } from './gate.ts'
import { gateRoutes } from './gate-routes.ts'
import { grantRoutes } from './grant-routes.ts'
import { Grants } from './grants.ts'
import { groupRoutes } from './group-routes.ts'
import { Groups } from './groups.ts'
import { HistoryAccess } from './history-access.ts'
import { STREAM_LIMITS } from './limits.ts'
import { MediaServer } from './media-server.ts'
import { agreeUnderPlan, endUnderPlan, giveUnderPlan } from './plan-grants.ts'
import { Policies } from './policies.ts'
import type { Streams, StreamsDeps } from './streams.ts'
import { viewingRoutes } from './viewing-routes.ts'
import { Viewings } from './viewings.ts'

export function streamsFeature(deps: StreamsDeps): Streams {
  const bounds = { ...STREAM_LIMITS, ...deps.limits }
  const log = deps.log.child({ component: 'streams' })
  const media = new MediaServer({ log: deps.log })
  const grants = new Grants(deps)
  const { relational, audit, config } = deps
  const policies = new Policies({ relational, audit, rootScope: config.rootScope, changed: look })
  const viewings = new Viewings(deps)
  const asks = new EdgeAsks({ sendHistory: deps.sendHistory, log: log.child({ component: 'history' }) })
  const history = new HistoryAccess({ ...deps, grants, asks })
  const gate = new Gate({ ...deps, grants, asks, viewings, media, bounds })
  const stopListening: (() => void)[] = []
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined
  let isLookWanted = false
  let closing: Promise<void> | undefined

  /** One look at a time; one that is wanted meanwhile follows at once. */
  function look(): void {
    isLookWanted = true
    looking ??= (async () => {
      while (isLookWanted && !closing) {
        isLookWanted = false
        try {
          await Promise.all([grants.look(), gate.look()])
        } catch (err) {
          log.error({ err }, 'the watch over grants and viewings failed; it goes on')
        }
      }
    })().finally(() => {
      looking = undefined
    })
  }

  async function close(): Promise<void> {
    clearInterval(timer)
    for (const stop of stopListening) stop()
    gate.cutAll()
    await looking
    await gate.settled()
    await media.close()
  }

  const streams: Streams = {
    async start(signal) {
      await media.start()
      stopListening.push(
        deps.access.onSessionsEnded((hashes) => {
          gate.cutSessions(hashes)
          look()
        }),
        deps.access.onUsersChanged(look),
      )
      timer = setInterval(look, bounds.watchMs)
      signal?.addEventListener('abort', () => void streams.close(), { once: true })
    },
    close() {
      closing ??= close()
      return closing
    },
    routes: async (app) => {
      await app.register(viewingRoutes(deps))
      await app.register(grantRoutes(grants, policies))
      await app.register(groupRoutes(new Groups(deps)))
      await app.register(
        gateRoutes(gate, {
          isSameOrigin: (headers) => isSameOrigin(headers, config.trustProxy),
          history,
          asks,
        }),
      )
    },
    async sweepViewings(livingHubs) {
      const swept = await viewings.sweep(livingHubs)
      if (swept > 0) log.warn({ viewings: swept }, 'viewings of a hub that is gone were closed')
    },
    grantsChanged: (grantIds) => grants.check([...grantIds]),
    incidentsChanged: (incidentIds) => grants.incidentsChanged(incidentIds),
    underPlan: {
      give: (trx, order) => giveUnderPlan(trx, deps, order),
      agree: (trx, order) => agreeUnderPlan(trx, deps, order),
      end: (trx, order) => endUnderPlan(trx, deps, order),
    },
    cutSessions(sessionHashes) {
      gate.cutSessions(sessionHashes)
      look()
    },
    look,
    history,
    grantViews: (grantIds) => grants.views(grantIds),
    stats: () => ({ ...gate.stats(), mediaServerRestarts: media.restarts }),
  }
  return streams
}
