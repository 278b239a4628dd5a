/**
 * Who may use each route of the hub, for what, and what everybody else is answered. This table is read by people who
 * judge the hub and by the property test that tries every line of it: a route without a line here fails the test.
 *
 * A line says: who is let in at all (401 without a session, 403 without the permission); what the route is about and
 * how that has to lie to the caller (`within`); what is answered where it does not (`else`); and the answer of a
 * request that is let through (`answers`). Requests are such that being let through changes nothing: what they ask
 * for is so already, or is refused by a rule behind the access check (409, 415, 422, 400).
 */
import { passageIdOf } from '../../src/ports/passage-id.ts'
import { type Kind, MEASURED_AT_MS, type Thing } from './world.ts'

/** How what a route is about has to lie to the caller. */
export type Within =
  /** In a region that begins with the digits of the caller's scope. */
  | 'scope'
  /** Of a team that the caller goes out with (permission `dispatch.step`). */
  | 'team'
  /** In the scope, for those who read incidents; or of the caller's team. */
  | 'scope or team'
  /** The caller's own. */
  | 'own'
  /** In the scope, and of a role without power (permissions over people and record) that the caller lacks. */
  | 'scope and power'
  /** The caller's scope is the whole hub. */
  | 'whole hub'
  /** Of the edge whose credential it is. */
  | 'its edge'
  /** See oracle.ts: requests, approvals and ends of grants. */
  | 'asked for'
  | 'answered'
  | 'ended'
  | 'watched live'
  | 'watched as recorded'
  /** Watched as recorded, and of a camera in the scope. */
  | 'taken out'

export interface Rule {
  /** `anybody`; `edge`: its credential; `person`: a session, whatever its role; else a permission (or one of several). */
  for: string
  about?: Kind
  within?: Within
  /** Where the condition does not hold; 404 unless said otherwise: what lies outside is not told to exist. */
  else?: number
  answers: number | readonly number[]
  /** The answer holds exactly these things of the scope (of the caller's teams too, of their own). */
  shows?: readonly Kind[]
  /** Also before a one-time password is replaced. */
  first?: true
  /** Takes a session of its own: it ends it. */
  spare?: true
  path?: (thing: Thing) => Record<string, string>
  query?: (thing: Thing) => string
  body?: (thing: Thing) => unknown
  headers?: (thing: Thing) => Record<string, string>
}

const NO_PLATE = { plate: 'E12345', fromMs: 1, toMs: 2, purpose: 'other', reason: 'tried' }
const JPEG = Buffer.from('no picture')
/** What entries of the watch list show to whom is tested in watch-list.test.ts. */
const NO_ENTRY = { entryId: '00000000-0000-4000-8000-000000000000' }
const NO_PLAN = {
  name: 'x',
  groupIds: ['00000000-0000-4000-8000-000000000000'],
  command: [{ kind: 'role', id: 'operator' }],
}

export const RULES: Readonly<Record<string, Rule>> = {
  // Anybody: health, figures (a token may be asked for, see config), the description, the page, signing in.
  'GET /healthz': { for: 'anybody', answers: 200 },
  'GET /readyz': { for: 'anybody', answers: 200 },
  'GET /metrics': { for: 'anybody', answers: 200 },
  'GET /api/openapi.json': { for: 'anybody', answers: 200 },
  'GET *': { for: 'anybody', answers: 200 },
  'POST /api/session': { for: 'anybody', answers: 400, body: () => ({}) },
  'GET /api/session/ways': { for: 'anybody', answers: 200 },
  'GET /api/session/oidc': { for: 'anybody', answers: 303 },
  'GET /api/session/oidc/callback': { for: 'anybody', answers: 303 },

  // Edges, each what is its own.
  'PUT /api/edge/evidence/:evidenceId': {
    for: 'edge',
    about: 'evidence',
    within: 'its edge',
    answers: 204,
    body: (thing) => thing.bytes,
    headers: (thing) => ({ 'content-type': 'image/jpeg', 'x-patrolhub-sha256': thing.sha256! }),
  },
  'GET /api/edge/evidence/:evidenceId': {
    for: 'edge',
    about: 'evidence',
    within: 'its edge',
    answers: 200,
    headers: (thing) => ({ 'x-patrolhub-sha256': thing.sha256! }),
  },
  'POST /media/publish/:cameraId': {
    for: 'edge',
    about: 'camera',
    within: 'its edge',
    answers: 409,
    body: () => Buffer.from('FLV'),
    headers: () => ({ 'content-type': 'video/x-flv' }),
  },

  'GET /api/edge/settings': { for: 'edge', answers: 200 },
  // What it was asked about by the hub, once: nobody else's question, and none that is over.
  'POST /media/asked/:askId': {
    for: 'edge',
    about: 'ask',
    within: 'its edge',
    else: 409,
    answers: 204,
    body: () => Buffer.from('{}'),
    headers: () => ({ 'content-type': 'application/json' }),
  },

  // People, about themselves.
  'GET /api/session': { for: 'person', answers: 200, first: true },
  'DELETE /api/session': { for: 'person', answers: 204, first: true, spare: true },
  'POST /api/session/password': { for: 'person', answers: 400, first: true, body: () => ({}) },
  'GET /api/session/list': { for: 'person', answers: 200, shows: ['session'] },
  'DELETE /api/session/list': { for: 'person', answers: 204 },
  'DELETE /api/session/list/:sessionId': {
    for: 'person',
    about: 'session',
    within: 'own',
    answers: 204,
    spare: true,
  },
  'POST /api/session/second-factor': { for: 'person', answers: 200 },
  'PUT /api/session/second-factor': { for: 'person', answers: 400, body: () => ({}) },
  'POST /api/session/second-factor/recovery-codes': { for: 'person', answers: 409 },
  'POST /api/session/second-factor/removal': { for: 'person', answers: 400, body: () => ({}) },

  // Accounts, inside the scope and never above one's own power.
  'GET /api/users': { for: 'user.read', answers: 200, shows: ['user'] },
  'POST /api/users': {
    for: 'user.write',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 400,
    body: ({ id }) => ({ username: 'nobody', displayName: 'Nobody', role: 'no-such-role', scope: id }),
  },
  'DELETE /api/users/:userId': {
    for: 'user.write',
    about: 'user',
    within: 'scope and power',
    answers: 204,
  },
  'PATCH /api/users/:userId': {
    for: 'user.write',
    about: 'user',
    within: 'scope and power',
    answers: 200,
    body: () => ({ isOnDuty: true }),
  },
  'PUT /api/users/:userId/duty': {
    for: 'duty.write',
    about: 'user',
    within: 'scope',
    answers: 204,
    body: () => ({ isOnDuty: true }),
  },
  'POST /api/users/:userId/password': {
    for: 'user.write',
    about: 'user',
    within: 'scope and power',
    answers: 200,
  },
  'POST /api/users/:userId/unlock': {
    for: 'user.write',
    about: 'user',
    within: 'scope and power',
    answers: 204,
  },
  'DELETE /api/users/:userId/second-factor': {
    for: 'user.write',
    about: 'user',
    within: 'scope and power',
    answers: 409,
  },
  'GET /api/users/:userId/sessions': { for: 'user.read', about: 'user', within: 'scope', answers: 200 },
  'DELETE /api/users/:userId/sessions': {
    for: 'user.write',
    about: 'user',
    within: 'scope and power',
    answers: 204,
  },
  'DELETE /api/users/:userId/sessions/:sessionId': {
    for: 'user.write',
    about: 'user session',
    within: 'scope and power',
    answers: 204,
    path: ({ id, userId }) => ({ userId: userId!, sessionId: id }),
  },
  'GET /api/access/explain': {
    for: 'access.explain',
    about: 'user',
    within: 'scope',
    answers: 200,
    query: ({ username }) => `username=${username}&action=device.read`,
  },

  // Roles, policies: over the whole hub only.
  'GET /api/roles': { for: 'user.read', answers: 200 },
  'POST /api/roles': {
    for: 'role.write',
    within: 'whole hub',
    else: 403,
    answers: 409,
    body: () => ({ role: 'operator', name: 'operator', permissions: [] }),
  },
  'PUT /api/roles/:role': {
    for: 'role.write',
    within: 'whole hub',
    else: 403,
    answers: 200,
    path: () => ({ role: 'spare' }),
    body: () => ({ name: 'spare', permissions: [] }),
  },
  'DELETE /api/roles/:role': {
    for: 'role.write',
    within: 'whole hub',
    else: 403,
    answers: 409,
    path: () => ({ role: 'operator' }),
  },
  'GET /api/grant-policies': { for: 'person', answers: 200 },
  'PUT /api/grant-policies/:sensitivity': {
    for: 'policy.write',
    about: 'policy',
    within: 'whole hub',
    else: 403,
    answers: 200,
    body: ({ policy }) => policy,
  },

  // Service tokens: their scope lies inside that of who makes, sees or ends them.
  'GET /api/service-tokens': { for: 'token.write', answers: 200, shows: ['token'] },
  'POST /api/service-tokens': {
    for: 'token.write',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 400,
    body: ({ id }) => ({ name: 'x', scope: id, permissions: ['user.write'], days: 1 }),
  },
  'DELETE /api/service-tokens/:tokenId': {
    for: 'token.write',
    about: 'token',
    within: 'scope',
    answers: 204,
  },

  // What happens in the scope.
  'GET /api/overview': { for: 'overview.read', answers: 200 },
  'GET /api/alerts': { for: 'alert.read', answers: 200, shows: ['alert'], query: () => 'limit=3' },
  'GET /api/incidents': {
    for: 'incident.read',
    answers: 200,
    shows: ['incident'],
    query: () => 'limit=3',
  },
  'GET /api/incidents/:incidentId': {
    for: 'incident.read',
    about: 'incident',
    within: 'scope',
    answers: 200,
  },
  'POST /api/incidents/:incidentId/transitions': {
    for: 'incident.move',
    about: 'incident',
    within: 'scope',
    answers: 409,
    body: () => ({ to: 'verified' }),
  },
  'POST /api/incidents/:incidentId/hold': {
    for: 'evidence.hold',
    about: 'incident',
    within: 'scope',
    answers: [200, 409],
    body: () => ({ reason: 'asked for' }),
  },
  'DELETE /api/incidents/:incidentId/hold': {
    for: 'evidence.hold',
    about: 'incident',
    within: 'scope',
    answers: [200, 409],
    body: () => ({ reason: 'not any more' }),
  },
  'POST /api/incidents/:incidentId/dispatches': {
    for: 'incident.dispatch',
    about: 'incident',
    within: 'scope',
    answers: 409,
    body: ({ teamId }) => ({ teamId }),
  },

  // Dispatches: watchers by scope, those who go out by team.
  'GET /api/dispatches': { for: 'dispatch.read', answers: 200, shows: ['dispatch'] },
  'GET /api/dispatches/:dispatchId': {
    for: 'dispatch.read',
    about: 'dispatch',
    within: 'scope or team',
    answers: 200,
  },
  'GET /api/dispatches/:dispatchId/alerts': {
    for: 'dispatch.read',
    about: 'dispatch',
    within: 'scope or team',
    answers: 200,
  },
  'POST /api/dispatches/:dispatchId/steps': {
    for: 'dispatch.step',
    about: 'dispatch',
    within: 'team',
    answers: 409,
    body: () => ({ state: 'acknowledged' }),
  },
  'POST /api/dispatches/:dispatchId/photos': {
    for: 'dispatch.step',
    about: 'dispatch',
    within: 'team',
    // 409: the dispatch is closed, and takes no photo.
    answers: [415, 409],
    body: () => JPEG,
    headers: () => ({ 'content-type': 'image/jpeg' }),
  },
  'GET /api/teams': { for: 'team.read', answers: 200, shows: ['team'] },
  'POST /api/teams': {
    for: 'team.write',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 201,
    body: ({ id }) => ({ name: 'passing', region: id, kind: 'cadre' }),
  },
  'GET /api/teams/:teamId/members': { for: 'team.read', about: 'team', within: 'scope', answers: 200 },
  'PUT /api/teams/:teamId/members/:userId': {
    for: 'team.write',
    about: 'team',
    within: 'scope',
    answers: 204,
    path: ({ id, userId }) => ({ teamId: id, userId: userId! }),
  },
  'DELETE /api/teams/:teamId/members/:userId': {
    for: 'team.write',
    about: 'team',
    within: 'scope',
    answers: 204,
    path: ({ id, userId }) => ({ teamId: id, userId: userId! }),
  },

  // Files.
  'GET /api/evidence/:evidenceId': {
    for: 'evidence.read or dispatch.step',
    about: 'evidence',
    within: 'scope or team',
    answers: 200,
  },

  // Devices and what they measured.
  'GET /api/devices': { for: 'device.read', answers: 200, shows: ['edge', 'camera', 'checkpoint', 'sensor'] },
  'GET /api/devices/:deviceId/series/:series': {
    for: 'series.read',
    about: 'sensor',
    within: 'scope',
    answers: 200,
    path: ({ id }) => ({ deviceId: id, series: 'level' }),
  },
  'GET /api/checkpoints/:checkpointId/passages': {
    for: 'series.read',
    about: 'checkpoint',
    within: 'scope',
    answers: 200,
    query: () => 'limit=500',
  },
  'GET /api/flow': {
    for: 'series.read',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 200,
    query: ({ id }) => `region=${id}&fromMs=${MEASURED_AT_MS - 1}&toMs=${MEASURED_AT_MS + 60_000}`,
  },
  'GET /api/regions': { for: 'person', answers: 200, shows: ['region'] },
  'PUT /api/regions/:code': {
    for: 'region.write',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 200,
    body: ({ id }) => ({ name: `Region ${id}` }),
  },
  'POST /api/edges': {
    for: 'edge.write',
    about: 'edge',
    within: 'scope',
    else: 403,
    answers: 409,
    body: ({ id, region }) => ({ edgeId: id, name: id, region }),
  },
  'GET /api/edges/:edgeId/settings': { for: 'edge.write', about: 'edge', within: 'scope', answers: 200 },
  'POST /api/edges/:edgeId/settings': {
    for: 'edge.write',
    about: 'spare edge',
    within: 'scope',
    answers: 201,
    body: () => ({ document: '', note: 'tried' }),
  },
  'POST /api/edges/:edgeId/token': { for: 'edge.write', about: 'spare edge', within: 'scope', answers: 200 },
  'DELETE /api/edges/:edgeId/token': {
    for: 'edge.write',
    about: 'spare edge',
    within: 'scope',
    answers: 204,
  },

  // Grants, and what is watched under them.
  'GET /api/grants': { for: 'person', answers: 200, shows: ['grant'] },
  'POST /api/grants': {
    for: 'grant.request',
    about: 'camera',
    within: 'asked for',
    answers: 422,
    body: ({ id }) => ({ cameraId: id, purpose: 'other', note: ' ', minutes: 1 }),
  },
  'DELETE /api/grants/:grantId': { for: 'person', about: 'grant', within: 'ended', answers: 200 },
  'POST /api/grants/:grantId/approval': {
    for: 'grant.approve',
    about: 'grant',
    within: 'answered',
    answers: 409,
    body: () => ({ approve: true }),
  },
  'GET /media/live/:grantId.flv': { for: 'person', about: 'grant', within: 'watched live', answers: 200 },
  'GET /media/history/:grantId.flv': {
    for: 'person',
    about: 'grant',
    within: 'watched as recorded',
    answers: 200,
  },
  'GET /media/recorded/:grantId': {
    for: 'person',
    about: 'grant',
    within: 'watched as recorded',
    answers: 200,
  },
  'GET /api/camera-groups': { for: 'device.read', answers: 200, shows: ['group'] },
  'POST /api/camera-groups': {
    for: 'group.write',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 400,
    body: ({ id }) => ({ name: 'x', region: id, cameraIds: ['no-camera'] }),
  },
  'PUT /api/camera-groups/:groupId': {
    for: 'group.write',
    about: 'group',
    within: 'scope',
    answers: 200,
    body: ({ id, cameraIds }) => ({ name: id, cameraIds }),
  },
  'DELETE /api/camera-groups/:groupId': {
    for: 'group.write',
    about: 'spare group',
    within: 'scope',
    answers: 204,
  },

  // Plates that are looked for: nobody is told of another scope's, and without a key of plates none is taken.
  'GET /api/edge/watch-list': { for: 'edge', answers: 200 },
  'GET /api/watch-list': { for: 'watchlist.read', answers: 200 },
  'POST /api/watch-list': {
    for: 'watchlist.write',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 409,
    body: ({ id }) => ({
      plate: 'E12345',
      region: id,
      severity: 'minor',
      reason: 'tried',
      instruction: '',
      days: 1,
    }),
  },
  'POST /api/watch-list/:entryId/decision': {
    for: 'watchlist.approve',
    answers: 404,
    path: () => NO_ENTRY,
    body: () => ({ approve: true }),
  },
  'DELETE /api/watch-list/:entryId': { for: 'watchlist.write', answers: 404, path: () => NO_ENTRY },
  'POST /api/watch-list/:entryId/plate': {
    for: 'watchlist.approve',
    answers: 404,
    path: () => NO_ENTRY,
    body: () => ({ reason: 'tried' }),
  },

  // Passages; which of them, and those of one plate, is tested in passages.test.ts.
  'GET /api/passages': {
    for: 'series.read',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 200,
    query: ({ id }) => `fromMs=${MEASURED_AT_MS - 1000}&toMs=${MEASURED_AT_MS + 1000}&region=${id}&limit=500`,
  },
  'GET /api/passages/export': {
    for: 'series.read',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 200,
    query: ({ id }) =>
      `fromMs=${MEASURED_AT_MS - 1000}&toMs=${MEASURED_AT_MS + 1000}&region=${id}&format=csv`,
  },
  // This hub has no key of hashes.
  'POST /api/passages/by-plate': {
    for: 'plate.read',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 409,
    body: ({ id }) => ({ ...NO_PLATE, region: id }),
  },
  'POST /api/passages/by-plate/export': {
    for: 'plate.read',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 409,
    body: ({ id }) => ({ ...NO_PLATE, region: id, format: 'csv' }),
  },

  // Plates in clear; of which passages, and how many, is tested in plates.test.ts.
  'POST /api/passages/:passageId/plate': {
    for: 'plate.read',
    about: 'checkpoint',
    within: 'scope',
    // This hub has no keys of plates.
    answers: 503,
    path: ({ id, edgeId }) => ({
      passageId: passageIdOf({ atMs: MEASURED_AT_MS, tieBreak: 1, edgeId: edgeId!, deviceId: id }),
    }),
    body: () => ({ purpose: 'other', reason: 'tried' }),
  },

  // Emergency plans.
  'GET /api/plans': { for: 'plan.read', answers: 200, shows: ['plan'] },
  'POST /api/plans': {
    for: 'plan.write',
    about: 'region',
    within: 'scope',
    else: 403,
    answers: 400,
    body: ({ id }) => ({ region: id, ...NO_PLAN }),
  },
  'PUT /api/plans/:planId': {
    for: 'plan.write',
    about: 'plan',
    within: 'scope',
    answers: 400,
    body: () => NO_PLAN,
  },
  'DELETE /api/plans/:planId': { for: 'plan.write', about: 'spare plan', within: 'scope', answers: 204 },
  'POST /api/plans/:planId/approval': {
    for: 'grant.approve',
    about: 'plan',
    within: 'scope',
    answers: 409,
    body: () => ({ writtenAtMs: 0 }),
  },
  'POST /api/plans/:planId/activation': {
    for: 'plan.activate',
    about: 'plan',
    within: 'scope',
    answers: 400,
    body: () => ({ reason: 'x', isDrill: true, endAtMs: 1 }),
  },
  'DELETE /api/plans/:planId/activation': {
    for: 'plan.activate',
    about: 'plan',
    within: 'scope',
    answers: 409,
  },
  'GET /api/plans/:planId/watching': { for: 'plan.read', about: 'plan', within: 'scope', answers: 200 },

  // What is taken out under a grant for history, by its own user while it holds.
  'POST /media/exports/:grantId': {
    for: 'export.make',
    about: 'grant',
    within: 'taken out',
    answers: 400,
    body: () => ({ reason: 'asked for', span: { fromMs: 1, toMs: 2 } }),
  },
  'GET /media/exports/:exportId.tar': {
    for: 'export.make',
    about: 'export',
    within: 'taken out',
    answers: 200,
  },
  'GET /api/exports': { for: 'person', answers: 200, shows: ['export'] },

  // The record: what people of the scope did, and what was watched of the cameras in it.
  'GET /api/audit/export': { for: 'audit.read', answers: 200, query: () => 'format=jsonl' },
  'GET /api/viewings': { for: 'audit.read', answers: 200, shows: ['viewing'], query: () => 'limit=3' },
  'GET /api/viewings/rules': { for: 'audit.read', answers: 200 },
  'GET /api/viewings/export': { for: 'audit.read', answers: 200, query: () => 'format=csv' },
  'GET /api/audit': { for: 'audit.read', answers: 200, shows: ['audit entry'], query: () => 'limit=500' },
}
