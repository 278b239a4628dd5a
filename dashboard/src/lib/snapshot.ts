import type { Alert, Evidence } from '@patrolhub/protocol'

/** The picture of an alert: a stored one first, else the one that is announced; `undefined` if it has none. */
export function snapshotOf(alert: Pick<Alert, 'evidence'>): Evidence | undefined {
  const snapshots = alert.evidence.filter((evidence) => evidence.role === 'snapshot')
  return snapshots.find((evidence) => evidence.isStored) ?? snapshots[0]
}
