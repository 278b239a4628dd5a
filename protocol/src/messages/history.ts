/**
 * What the hub asks an edge about its recordings. The edge answers every ask by one POST to its `answerPath`: with what
 * was asked for, or with a HistoryRefusal. All times are the wall clock of the edge.
 */
import { type Static, Type } from 'typebox'
import { DeviceId, EpochMs, Uuid } from '../units.ts'

/** How many times faster than it happened a history may be sent. */
export const HISTORY_SPEEDS = [1, 2, 4, 8] as const
export const HistorySpeed = Type.Union(HISTORY_SPEEDS.map((speed) => Type.Literal(speed)))
export type HistorySpeed = (typeof HISTORY_SPEEDS)[number]

const Ask = {
  askId: Uuid,
  cameraId: DeviceId,
  answerPath: Type.String({ pattern: '^/', maxLength: 300 }),
  /** Nothing outside is given: no picture, no time. */
  fromMs: EpochMs,
  toMs: EpochMs,
}

export const HistoryCommand = Type.Union([
  /**
   * Answered by `video/x-flv`: H.264 as it was recorded, from the key frame at or before `atMs`, at `speed`. A tag's
   * time counts from `fromMs`; where nothing was recorded it jumps. It ends with the span.
   */
  Type.Object(
    { action: Type.Literal('play'), ...Ask, atMs: EpochMs, speed: Type.Unsafe<HistorySpeed>(HistorySpeed) },
    { additionalProperties: false },
  ),
  /** Answered by HistoryStretches. */
  Type.Object({ action: Type.Literal('list'), ...Ask }, { additionalProperties: false }),
  /** Answered by `video/mp4` with the header `x-patrolhub-from-ms`: the span inside one stretch, from its first key frame. */
  Type.Object(
    { action: Type.Literal('clip'), ...Ask, maxBytes: Type.Integer({ minimum: 1 }) },
    { additionalProperties: false },
  ),
  /** Ends whatever answers this ask. */
  Type.Object({ action: Type.Literal('stop'), askId: Uuid }, { additionalProperties: false }),
])
export type HistoryCommand = Static<typeof HistoryCommand>
export type HistoryAsk = Exclude<HistoryCommand, { action: 'stop' }>

/** What has been recorded without a break: one connection to the camera, one clip. Oldest first. */
export const MAX_STRETCHES = 4000
export const HistoryStretch = Type.Object({ fromMs: EpochMs, toMs: EpochMs }, { additionalProperties: false })
export type HistoryStretch = Static<typeof HistoryStretch>
export const HistoryStretches = Type.Object(
  { stretches: Type.Array(HistoryStretch, { maxItems: MAX_STRETCHES }) },
  { additionalProperties: false },
)
export type HistoryStretches = Static<typeof HistoryStretches>

export const HistoryRefusal = Type.Object(
  {
    /**
     * `not-recorded` this camera is not recorded; `nothing` nothing of that time is held; `format` it was recorded in a
     * format that cannot be played (H.265); `busy` too much is asked for at once; `failed` see the message.
     */
    refused: Type.Union([
      Type.Literal('not-recorded'),
      Type.Literal('nothing'),
      Type.Literal('format'),
      Type.Literal('busy'),
      Type.Literal('failed'),
    ]),
    message: Type.String({ maxLength: 400 }),
  },
  { additionalProperties: false },
)
export type HistoryRefusal = Static<typeof HistoryRefusal>
