/** What screens are told of changes: the things that changed, read as they stand now, with whom they concern. */
import type { Devices } from '../devices/devices.ts'
import type { Dispatches } from '../dispatch/dispatch.ts'
import type { EvidenceService } from '../evidence/evidence.ts'
import type { Incidents } from '../incidents/incidents.ts'
import type { Plans } from '../plans/plans.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { PushMessage } from '../push/push.ts'
import type { Streams } from '../streams/streams.ts'
import type { Change, ChangeKind } from './changes.ts'

export interface TellingFeatures {
  incidents: Pick<Incidents, 'alertViews' | 'views'>
  dispatches: Pick<Dispatches, 'views'>
  evidence: Pick<EvidenceService, 'completeOf'>
  devices: Pick<Devices, 'views'>
  streams: Pick<Streams, 'grantViews'>
  plans: Pick<Plans, 'views'>
}

/**
 * Each thing once, however often it changed. Alerts first, in the order in which they were taken, then what they are part
 * of, so that a screen can place them.
 */
export async function messagesFor(
  db: DbOrTransaction,
  { incidents, dispatches, evidence, devices, streams, plans }: TellingFeatures,
  changes: readonly Change[],
): Promise<PushMessage[]> {
  const idsOf = (kind: ChangeKind) => [
    ...new Set(changes.filter((change) => change.kind === kind).map((change) => change.subjectId)),
  ]
  const alertIds = idsOf('alert')
  const place = new Map(alertIds.map((alertId, index) => [alertId, index]))
  const [found, complete, { edges, cameras }, grants, planViews] = await Promise.all([
    incidents.alertViews(db, alertIds),
    evidence.completeOf(db, idsOf('evidence')),
    devices.views(db, { edgeIds: idsOf('edge'), cameraIds: idsOf('camera') }),
    streams.grantViews(idsOf('grant')),
    plans.views(db, idsOf('plan')),
  ])
  const alerts = found.sort((a, b) => place.get(a.alertId)! - place.get(b.alertId)!)
  const incidentIds = [...new Set([...alerts.map((alert) => alert.incidentId), ...idsOf('incident')])]
  const [incidentViews, dispatchViews] = await Promise.all([
    incidents.views(db, incidentIds),
    // Teams that are on an incident see how it goes on.
    dispatches.views(db, { dispatchIds: idsOf('dispatch'), incidentIds }),
  ])
  return [
    ...alerts.map(
      (alert): PushMessage => ({
        target: { region: alert.region },
        event: { event: 'alert', payload: alert },
      }),
    ),
    ...complete.map(
      ({ region, evidence: payload }): PushMessage => ({
        target: { region },
        event: { event: 'evidence', payload },
      }),
    ),
    ...[...incidentViews.values()].map(
      (incident): PushMessage => ({
        target: { region: incident.region },
        event: { event: 'incident', payload: incident },
      }),
    ),
    ...dispatchViews.map(
      (dispatch): PushMessage => ({
        target: { region: dispatch.incident.region, teamId: dispatch.teamId },
        event: { event: 'dispatch', payload: dispatch },
      }),
    ),
    ...edges.map(
      (edge): PushMessage => ({ target: { region: edge.region }, event: { event: 'edge', payload: edge } }),
    ),
    ...cameras.map(
      (camera): PushMessage => ({
        target: { region: camera.region },
        event: { event: 'camera', payload: camera },
      }),
    ),
    ...grants.map(
      ({ region, userId, grant }): PushMessage => ({
        // Of a plan there may be hundreds at once: whoever looks after the plan reads them with it.
        target: grant.plan ? { userId } : { region, userId },
        event: { event: 'grant', payload: grant },
      }),
    ),
    ...planViews.map(
      (plan): PushMessage => ({ target: { region: plan.region }, event: { event: 'plan', payload: plan } }),
    ),
  ]
}
