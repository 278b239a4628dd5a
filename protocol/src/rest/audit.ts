/** The record of who did what, and of who watched which camera, as auditors search it. */
import { type Static, Type } from 'typebox'
import { Sensitivity } from '../messages/uplink.ts'
import { EpochMs } from '../units.ts'

/** GET /api/audit?person&kind&camera&incident&fromMs&toMs&limit&before : newest first. */
export const AuditEntry = Type.Object({
  seq: Type.Integer(),
  atMs: EpochMs,
  actorName: Type.String(),
  action: Type.String(),
  subject: Type.String(),
  detail: Type.Record(Type.String(), Type.Unknown()),
  previousHash: Type.String(),
  hash: Type.String(),
})
export type AuditEntry = Static<typeof AuditEntry>
export const AuditPage = Type.Object({ items: Type.Array(AuditEntry), next: Type.Optional(Type.String()) })
export type AuditPage = Static<typeof AuditPage>

/** What may be unusual about a viewing. */
export const VIEWING_MARKS = [
  'off-duty',
  'out-of-hours',
  'outside-scope',
  'restricted',
  'no-incident',
  'many-cameras',
  'repeated',
  'long',
] as const
export const ViewingMarkName = Type.Union(VIEWING_MARKS.map((mark) => Type.Literal(mark)))
export type ViewingMarkName = (typeof VIEWING_MARKS)[number]

/** `found`: what was counted, `allowed`: from which number on it is marked; cameras, viewings or minutes. */
export const ViewingMark = Type.Object({
  mark: Type.Unsafe<ViewingMarkName>(ViewingMarkName),
  found: Type.Optional(Type.Integer()),
  allowed: Type.Optional(Type.Integer()),
})
export type ViewingMark = Static<typeof ViewingMark>

/** GET /api/viewings?person&camera&purpose&incident&mark&fromMs&toMs&limit&before : of cameras inside the scope, newest first. */
export const Viewing = Type.Object({
  viewingId: Type.String(),
  userId: Type.String(),
  userName: Type.String(),
  cameraId: Type.String(),
  cameraName: Type.String(),
  region: Type.String(),
  purpose: Type.String(),
  note: Type.String(),
  incidentId: Type.Optional(Type.String()),
  incidentNumber: Type.Optional(Type.String()),
  /** The span of recorded video that the grant is for; not there for live video. */
  history: Type.Optional(Type.Object({ fromMs: EpochMs, toMs: EpochMs })),
  /** Under an emergency plan that was exercised. */
  isDrill: Type.Boolean(),
  openedAtMs: EpochMs,
  /** Not there while it is open. */
  closedAtMs: Type.Optional(EpochMs),
  /** So far, if it is open; at least, if its hub crashed. */
  seconds: Type.Integer(),
  bytes: Type.Integer(),
  whyClosed: Type.Optional(Type.String()),
  marks: Type.Array(ViewingMark),
})
export type Viewing = Static<typeof Viewing>
export const ViewingPage = Type.Object({ items: Type.Array(Viewing), next: Type.Optional(Type.String()) })
export type ViewingPage = Static<typeof ViewingPage>

/** GET /api/viewings/rules : by what viewings are marked now. */
export const ViewingRule = Type.Object({
  mark: Type.Unsafe<ViewingMarkName>(ViewingMarkName),
  isOn: Type.Boolean(),
  allowed: Type.Optional(Type.Integer()),
  withinMinutes: Type.Optional(Type.Integer()),
  fromSensitivity: Type.Optional(Type.Unsafe<Sensitivity>(Sensitivity)),
})
export type ViewingRule = Static<typeof ViewingRule>
export const ViewingRules = Type.Object({ items: Type.Array(ViewingRule) })
export type ViewingRules = Static<typeof ViewingRules>
