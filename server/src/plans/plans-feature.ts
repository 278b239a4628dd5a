/** Composes the plans feature, and looks after active plans when users change. */
import { HubError } from '../errors.ts'
import { tendAll } from './activations.ts'
import { planRoutes } from './plan-routes.ts'
import { planViews } from './plan-store.ts'
import type { Plans, PlansDeps } from './plans.ts'

export function plansFeature(deps: PlansDeps): Plans {
  const { relational, access, now = Date.now } = deps
  const log = deps.log.child({ component: 'plans' })
  const own = { ...deps, now }
  let stopListening: (() => void) | undefined
  let tending: Promise<void> | undefined
  let isWanted = false

  /** One pass at a time; one that is wanted meanwhile follows. The timer makes up for one that failed. */
  function tendSoon(): void {
    isWanted = true
    tending ??= (async () => {
      while (isWanted && stopListening) {
        isWanted = false
        try {
          await tendAll(own, now())
        } catch (err) {
          log.error({ err }, 'active plans could not be looked after; the timer tries again')
        }
      }
    })().finally(() => {
      tending = undefined
    })
  }

  return {
    start() {
      stopListening = access.onUsersChanged(tendSoon)
    },
    async close() {
      stopListening?.()
      stopListening = undefined
      await tending
    },
    tend: (nowMs) => tendAll(own, nowMs),
    views: planViews,
    routes: planRoutes({
      ...own,
      async view(planId: string) {
        const [plan] = await planViews(relational.read, [planId])
        if (!plan) throw new HubError('HUB_NOT_FOUND', `no plan ${planId}`)
        return plan
      },
    }),
  }
}
