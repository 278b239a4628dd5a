/**
 * Reading the plate of a passage in clear. What comes out of here is on the record before it is answered, with passage,
 * checkpoint and reason, and never the plate; so is what was refused, or could not be read.
 */
import type { PlateReading } from '@patrolhub/protocol'
import type { AuditTrail } from '../access/audit-trail.ts'
import { may } from '../access/decide.ts'
import type { PlateKeyRing } from '../access/plate-keys.ts'
import type { ReadingLimit } from '../access/plate-reading-limit.ts'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import { incidentLookedAt } from '../incident-in-scope.ts'
import type { Relational } from '../ports/relational.ts'
import type { StoredPassage } from '../ports/timeseries.ts'

export interface PlateReaderDeps {
  relational: Relational
  audit: AuditTrail
  ring: PlateKeyRing
  limit: ReadingLimit
  /** `undefined` for one that the store does not have. */
  findPassage(passageId: string): Promise<StoredPassage | undefined>
  count(outcome: PlateOutcome['kind']): void
}

export type PlateOutcome =
  | { kind: 'read'; plate: string }
  | { kind: 'too-many'; waitMs: number }
  | { kind: 'none' }
  | { kind: 'no-key'; version: number }
  | { kind: 'broken'; version: number }

/** Throws HUB_NOT_FOUND for a passage or an incident outside the scope, or that there is not. */
export async function readPlateOf(
  deps: PlateReaderDeps,
  actor: Principal,
  passageId: string,
  { purpose, reason, incidentId }: PlateReading,
): Promise<PlateOutcome> {
  const { relational, audit, limit } = deps
  const passage = await deps.findPassage(passageId)
  if (!passage || !may(actor, 'plate.read', { region: passage.region })) {
    throw new HubError('HUB_NOT_FOUND', `there is no passage ${passageId} in your scope`)
  }
  const incident = await incidentLookedAt(relational.read, actor, incidentId)
  const opened = open(deps.ring, passage)
  const subject = `passage:${passageId}`
  const outcome = await relational.write.transaction().execute(async (trx): Promise<PlateOutcome> => {
    if (opened.kind === 'read') {
      const waitMs = await limit.take(trx, actor, subject)
      if (waitMs > 0) return { kind: 'too-many', waitMs }
    }
    const { deviceId, region, atMs } = passage
    await audit.append(trx, {
      actor,
      action: opened.kind === 'read' ? 'plate.read' : 'plate.not-read',
      subject,
      detail: {
        checkpoint: deviceId,
        region,
        passedAtMs: atMs,
        purpose,
        reason: reason.trim(),
        ...incident,
        ...(opened.kind === 'read' ? {} : { why: opened.kind }),
        ...('version' in opened ? { keyVersion: opened.version } : {}),
      },
    })
    return opened
  })
  deps.count(outcome.kind)
  return outcome
}

function open(
  ring: PlateKeyRing,
  { plateCipher }: StoredPassage,
): Exclude<PlateOutcome, { kind: 'too-many' }> {
  if (!plateCipher) return { kind: 'none' }
  const opened = ring.open(plateCipher)
  return opened.ok ? { kind: 'read', plate: opened.plate } : { kind: opened.why, version: opened.version }
}
