/** What a rule of traffic has found, and the alert that is made of it. */
import type { AlertRecord, Severity } from '@patrolhub/protocol'
import type { CheckpointConfig } from '../config.ts'
import { deviceAlert } from '../device-alert.ts'

export interface Finding {
  rule: 'speeding' | 'wrong-way' | 'queue' | 'lane-blocked'
  ruleName: string
  severity: Severity
  /** Of the passage that decided it. */
  atMs: number
  /** Completes "At {checkpoint} …", in English. */
  sentence: string
  facts: AlertRecord['facts']
}

/** Neither a plate nor its hash is in it: an alert is seen by many. */
export function trafficAlert(checkpoint: CheckpointConfig, finding: Finding): AlertRecord {
  const { rule, ruleName, severity, atMs, sentence, facts } = finding
  return deviceAlert({
    atMs,
    deviceId: checkpoint.checkpointId,
    deviceKind: 'checkpoint',
    region: checkpoint.region,
    rule,
    ruleName,
    severity,
    score: 1,
    reason: `At ${checkpoint.name} ${sentence}`,
    facts,
  })
}
