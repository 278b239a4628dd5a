/** Alerts about devices that are no cameras. */
import { randomUUID } from 'node:crypto'
import type { AlertRecord } from '@patrolhub/protocol'

const MAX_REASON = 400

/** One that has just been raised: nothing of it is in a picture, and it has no evidence yet. */
export function deviceAlert(
  alert: Omit<AlertRecord, 'kind' | 'alertId' | 'objects' | 'trackPath' | 'evidenceIds'>,
): AlertRecord {
  return {
    ...alert,
    kind: 'alert',
    alertId: randomUUID(),
    reason: alert.reason.slice(0, MAX_REASON),
    objects: [],
    trackPath: [],
    evidenceIds: [],
  }
}
