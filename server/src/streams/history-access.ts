/** Recorded history for others than players: what is recorded, and clips to take out, under a grant for history. */
import type { Readable } from 'node:stream'
import type { HistorySpan, HistoryStretch } from '@patrolhub/protocol'
import type { Principal } from '../access/principal.ts'
import { type Admitted, admit } from './admission.ts'
import { type Asked, type EdgeAsks, needEdge } from './edge-asks.ts'
import { openCameras } from './grant-policy.ts'
import type { GrantCutListener, Grants } from './grants.ts'
import type { StreamsDeps } from './streams.ts'

export interface HistoryAdmitted extends Admitted {
  span: HistorySpan
}

export class HistoryAccess {
  readonly #deps: Pick<StreamsDeps, 'relational' | 'now'> & { grants: Grants; asks: EdgeAsks }

  constructor(deps: Pick<StreamsDeps, 'relational' | 'now'> & { grants: Grants; asks: EdgeAsks }) {
    this.#deps = deps
  }

  /** The caller's grant for history while it holds. Throws as `admit`. */
  async admit(
    caller: Pick<Principal, 'userId'>,
    wanted: { grantId: string; cameraId: string | undefined },
  ): Promise<HistoryAdmitted> {
    const { grants, now = Date.now } = this.#deps
    const admitted = await admit(grants, caller.userId, { ...wanted, kind: 'history' }, now)
    return { ...admitted, span: admitted.grant.history! }
  }

  /** True while the grant opens anything. */
  async holds(grantId: string): Promise<boolean> {
    const { grants, now = Date.now } = this.#deps
    const grant = await grants.find(grantId)
    return grant !== undefined && openCameras(grant, now()).length > 0
  }

  /** What is recorded of the span, oldest first. Throws HUB_HISTORY_NONE, HUB_STREAM_NONE. */
  async stretches(admitted: HistoryAdmitted, signal?: AbortSignal): Promise<HistoryStretch[]> {
    const asked = await this.#asked(admitted, admitted.span)
    return this.#deps.asks.stretches(asked, signal)
  }

  /**
   * A clip of the first stretch inside `part`, which lies in the grant's span; `keep` reads its bytes and is told the
   * time of its first picture. Throws HUB_HISTORY_NONE, HUB_STREAM_NONE, and what `keep` throws.
   */
  async clip<T>(
    admitted: HistoryAdmitted,
    wanted: { part: HistorySpan; maxBytes: number; signal: AbortSignal },
    keep: (body: Readable, fromMs: number) => Promise<T>,
  ): Promise<T> {
    const { part, maxBytes, signal } = wanted
    return this.#deps.asks.clip(await this.#asked(admitted, part), { maxBytes, signal }, keep)
  }

  /** Called as soon as a grant has ended, or opens less than it did. */
  onCut(listener: GrantCutListener): void {
    this.#deps.grants.onCut(listener)
  }

  async #asked({ camera, span: whole }: HistoryAdmitted, part: HistorySpan): Promise<Asked> {
    const { edgeId, cameraId } = camera
    await needEdge(this.#deps.relational.read, edgeId)
    const span = { fromMs: Math.max(part.fromMs, whole.fromMs), toMs: Math.min(part.toMs, whole.toMs) }
    return { edgeId, cameraId, span }
  }
}
