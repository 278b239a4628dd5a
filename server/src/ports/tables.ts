/**
 * The relational tables, as Kysely sees them on every engine. Rules that keep one code base for SQLite and PostgreSQL:
 * booleans are 0 or 1, times are EpochMs integers, JSON is text that SQL never looks into, identifiers are text.
 */
import type { ColumnType, Generated } from 'kysely'
import type { AccessTables } from './access-tables.ts'

type Flag = 0 | 1
/** JSON text; written and read whole. */
type Json = string
/** A column that is written once and never changed. */
type Fixed<T> = ColumnType<T, T, never>

export interface SettingTable {
  name: string
  value: string
}

export interface RegionTable {
  code: string
  name: string
}

export interface UserTable {
  user_id: Fixed<string>
  username: string
  display_name: string
  password_hash: string
  must_change_password: Flag
  role: string
  scope: string
  is_disabled: Flag
  created_at_ms: number
  is_on_duty: ColumnType<Flag, Flag | undefined>
  /** AllowedHours; `null` for always. */
  allowed_hours: ColumnType<Json | null, Json | null | undefined>
}

export interface SessionTable {
  /** SHA-256 of the cookie's token: a copy of the database lets nobody in. */
  token_hash: Fixed<string>
  user_id: string
  created_at_ms: number
  expires_at_ms: number
  address: string
  user_agent: string
  /** `password`, or `provider` for OpenID Connect. */
  method: ColumnType<string, string | undefined>
}

export interface TeamTable {
  team_id: Fixed<string>
  name: string
  region: string
  kind: string
}

export interface TeamMemberTable {
  team_id: string
  user_id: string
}

export interface EdgeTable {
  edge_id: Fixed<string>
  name: string
  region: string
  token_hash: string
  state: string
  last_seen_at_ms: number | null
  software: string
  detector_id: string | null
  /** EdgeHealth of the newest health record. */
  health: ColumnType<Json | null, Json | null | undefined>
}

/** See watchlist/watchlist.ts. */
export interface WatchEntryTable {
  entry_id: string
  plate_hash: string
  /** The plate, sealed; see access/sealing.ts. */
  plate_sealed: string
  plate_masked: string
  region: string
  severity: string
  reason: string
  instruction: string
  /** pending, active, refused, ended; expiry follows from end_at_ms. */
  state: string
  requested_by: string
  requested_name: string
  decided_name: string | null
  created_at_ms: number
  begin_at_ms: number
  end_at_ms: number
}

/** See access/plate-reading-limit.ts. */
export interface PlateReadingTable {
  user_id: Fixed<string>
  at_ms: Fixed<number>
}

/** See devices/edge-settings.ts. */
export interface EdgeSettingsTable {
  edge_id: string
  version: number
  document: string
  note: string
  made_by: string
  made_at_ms: number
  /** EdgeSettingsVersion['state'] */
  state: string
  /** string[] */
  problems: Json
}

/** Cameras, checkpoints and sensors as their edge described them; `description` is the protocol's *Description. */
export interface DeviceTable {
  device_id: Fixed<string>
  edge_id: string
  kind: 'camera' | 'checkpoint' | 'sensor'
  region: string
  name: string
  sensitivity: string
  description: Json
  /** CameraHealth of the newest health record, cameras only. */
  health: Json | null
  updated_at_ms: number
}

export interface CursorTable {
  edge_id: string
  stream: string
  epoch: string
  seq: number
  updated_at_ms: number
}

/** Records that could not be taken, with the reason, for an engineer to look at. */
export interface SetAsideTable {
  id: Generated<number>
  edge_id: string
  stream: string
  epoch: string
  seq: number
  reason: string
  payload: string
  at_ms: number
}

export interface PlateSightingTable {
  /** HMAC-SHA-256, as edges make it. */
  plate_hash: Fixed<string>
  checkpoint_id: Fixed<string>
  at_ms: Fixed<number>
  /** Whether an alert came of it. */
  is_told: Fixed<Flag>
}

export interface AlertTable {
  alert_id: Fixed<string>
  edge_id: string
  device_id: string
  device_kind: string
  region: string
  rule: string
  severity: string
  at_ms: number
  received_at_ms: number
  incident_id: string
  /** The AlertRecord. */
  record: Json
}

export interface EvidenceTable {
  evidence_id: Fixed<string>
  alert_id: string | null
  dispatch_id: string | null
  region: string
  role: string
  mime: string
  sha256: string
  bytes: number
  at_ms: number
  /** Set while the bytes are in the evidence store. */
  stored_at_ms: number | null
  /** When the bytes were deleted because their time was over. */
  deleted_at_ms: ColumnType<number | null, number | null | undefined>
  /** When the hub gave up waiting for the bytes; they are still taken. */
  missing_at_ms: ColumnType<number | null, number | null | undefined>
}

export interface IncidentTable {
  incident_id: Fixed<string>
  number: string
  region: string
  state: string
  severity: string
  rule: string
  device_id: string
  device_kind: string
  reason: string
  opened_at_ms: number
  last_alert_at_ms: number
  updated_at_ms: number
  alert_count: number
  snapshot_id: string | null
  is_drill: Flag
  /** Why its evidence is kept beyond its time; `null` if it is not held. */
  hold_reason: ColumnType<string | null, string | null | undefined>
}

export interface TransitionTable {
  id: Generated<number>
  incident_id: string
  at_ms: number
  from_state: string | null
  to_state: string
  actor_id: string | null
  actor_name: string
  note: string
}

export interface DispatchTable {
  dispatch_id: Fixed<string>
  incident_id: string
  team_id: string
  region: string
  state: string
  instruction: string
  created_by: string
  created_at_ms: number
  acknowledge_by_ms: number
  arrive_by_ms: number
}

export interface DispatchStepTable {
  id: Generated<number>
  dispatch_id: string
  at_ms: number
  state: string
  actor_id: string
  actor_name: string
  note: string
}

export interface GrantTable {
  grant_id: Fixed<string>
  user_id: string
  target_kind: Fixed<'camera' | 'group'>
  target_id: Fixed<string>
  /** Where the target was when it was asked for. */
  region: string
  purpose: string
  note: string
  incident_id: string | null
  /** pending, active, revoked, refused; expiry follows from end_at_ms. */
  state: string
  begin_at_ms: number
  end_at_ms: number
  approver_id: string | null
  created_at_ms: number
  /** The asker's scope, for a camera that lay outside it; `null` for one inside. */
  asked_from: ColumnType<string | null, string | null | undefined, never>
  /** The span of recorded history that it is for, wall clock; both `null`: it is for live video. */
  history_from_ms: ColumnType<number | null, number | null | undefined, never>
  history_to_ms: ColumnType<number | null, number | null | undefined, never>
  /** Of a group, as JSON: the cameras that were asked for, and that a second person agreed to. */
  asked_cameras: ColumnType<Json | null, Json | null | undefined>
  /** Of the plan that gave it; `null` for a grant that somebody asked for. */
  activation_id: ColumnType<string | null, string | null | undefined, never>
}

/** What a sensitivity asks for, see access/camera-policy.ts. */
export interface GrantPolicyTable {
  sensitivity: string
  max_minutes: number
  /** Longest span of history, 0 for none. */
  max_history_minutes: number
  needs_note: number
  needs_incident: number
  needs_second_person: number
  /** no, id, name: what somebody outside whose scope the camera lies may learn of it. */
  outside: string
}

export interface CameraGroupTable {
  group_id: Fixed<string>
  name: string
  region: Fixed<string>
}

export interface CameraGroupMemberTable {
  group_id: string
  camera_id: string
}

export interface PlanTable {
  plan_id: Fixed<string>
  name: string
  region: Fixed<string>
  /** Who wrote it as it stands. */
  written_by: string
  written_at_ms: number
  /** The second person who agreed to it as it stands. */
  approved_by: string | null
  approved_at_ms: number | null
  /** The cameras that they agreed to, by group, as JSON. */
  approved_cameras: Json | null
}

export interface PlanGroupTable {
  plan_id: string
  group_id: string
}

/** Who is in a plan's command: a user, everybody of a role, everybody of a team. */
export interface PlanCommandTable {
  plan_id: string
  kind: 'user' | 'role' | 'team'
  subject_id: string
}

export interface PlanActivationTable {
  activation_id: Fixed<string>
  plan_id: Fixed<string>
  is_drill: Flag
  reason: string
  begun_by: Fixed<string>
  begin_at_ms: number
  end_at_ms: number
  /** `null` while it is active. */
  ended_at_ms: number | null
}

export interface ViewingTable {
  viewing_id: Fixed<string>
  grant_id: string
  user_id: string
  camera_id: string
  opened_at_ms: number
  closed_at_ms: number | null
  bytes: number
  /** How long it lasted; while it is open, and after a crash, at least. */
  seconds: ColumnType<number, number | undefined>
  why_closed: string | null
  /** The hub whose player it is: when that hub dies, another closes it on the record. */
  hub_id: ColumnType<string, string | undefined, never>
  /** Where the camera was when it was opened. */
  region: Fixed<string>
  /** Of the grant, kept with the viewing because it is searched by them. */
  purpose: Fixed<string>
  incident_id: Fixed<string | null>
}

/** What is unusual about a viewing, see streams/viewing-marks.ts. */
export interface ViewingMarkTable {
  viewing_id: Fixed<string>
  mark: Fixed<string>
  /** What was counted, and from which number on it is marked; `null` where nothing is counted. */
  found: number | null
  allowed: number | null
}

/** A package of recorded video that somebody took out, see exports/exports.ts. */
export interface ExportTable {
  export_id: Fixed<string>
  grant_id: Fixed<string>
  user_id: Fixed<string>
  camera_id: Fixed<string>
  region: Fixed<string>
  from_ms: Fixed<number>
  to_ms: Fixed<number>
  reason: Fixed<string>
  /** making, ready, failed, removed. */
  state: string
  /** Why it failed. */
  problem: string
  /** The hub that made it, and on whose disk it lies. */
  hub_id: Fixed<string>
  bytes: number | null
  sha256: string | null
  created_at_ms: Fixed<number>
  ended_at_ms: number | null
}

/** The log of changes, see changes/changes.ts. */
export interface ChangeTable {
  revision: Generated<number>
  kind: string
  subject_id: string
  detail: string
  at_ms: number
}

/** Who does what must be done once, see timers/lease.ts. */
export interface LeaseTable {
  name: string
  holder: string
  /** Counted up by the holder while it lives. */
  beat: number
}

export interface MissedDeadlineTable {
  dispatch_id: string
  deadline: 'acknowledge' | 'arrive'
  due_at_ms: number
  noted_at_ms: number
}

export interface AuditTable {
  seq: number
  at_ms: number
  actor_id: string | null
  actor_name: string
  action: string
  subject: string
  detail: Json
  previous_hash: string
  hash: string
}

/** A signature over the newest entry, see audit/seals.ts. */
export interface AuditSealTable {
  seal_no: number
  seq: number
  hash: string
  previous_seal: string
  at_ms: number
  key_id: string
  signature: string
}

/** A key that seals, from a seal on. */
export interface AuditKeyTable {
  key_no: number
  key_id: string
  public_key: string
  from_seal: number
  at_ms: number
  signed_by: string
  signature: string
}

/** Alerts and incidents of one region, counted as they come: totals of a scope are the sum of its regions. */
export interface RegionTallyTable {
  region: string
  alerts: number
  incidents: number
}

export interface Tables extends AccessTables {
  setting: SettingTable
  region: RegionTable
  user_account: UserTable
  session: SessionTable
  team: TeamTable
  team_member: TeamMemberTable
  edge: EdgeTable
  edge_settings: EdgeSettingsTable
  watch_entry: WatchEntryTable
  plate_reading: PlateReadingTable
  device: DeviceTable
  cursor: CursorTable
  set_aside: SetAsideTable
  plate_sighting: PlateSightingTable
  alert: AlertTable
  evidence: EvidenceTable
  incident: IncidentTable
  transition: TransitionTable
  dispatch: DispatchTable
  dispatch_step: DispatchStepTable
  viewing_grant: GrantTable
  grant_policy: GrantPolicyTable
  camera_group: CameraGroupTable
  camera_group_member: CameraGroupMemberTable
  plan: PlanTable
  plan_group: PlanGroupTable
  plan_command: PlanCommandTable
  plan_activation: PlanActivationTable
  viewing: ViewingTable
  export: ExportTable
  viewing_mark: ViewingMarkTable
  audit: AuditTable
  audit_seal: AuditSealTable
  audit_key: AuditKeyTable
  change: ChangeTable
  lease: LeaseTable
  missed_deadline: MissedDeadlineTable
  region_tally: RegionTallyTable
}
