/** Patrol teams and who is in them. */
import { randomUUID } from 'node:crypto'
import type { NewTeam, Team } from '@patrolhub/protocol'
import type { AuditTrail } from '../access/audit-trail.ts'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { inScope } from '../access/scope.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'

export interface TeamsDeps {
  relational: Relational
  audit: AuditTrail
}

export interface TeamMember {
  userId: string
  username: string
  displayName: string
}

/** `actor` undefined: a command line, which may name any region. Throws HUB_OUT_OF_SCOPE. */
export async function createTeam(
  { relational, audit }: TeamsDeps,
  actor: Principal | undefined,
  { name, region, kind }: NewTeam,
): Promise<Team> {
  if (actor && !may(actor, 'team.write', { region })) {
    throw new HubError('HUB_OUT_OF_SCOPE', `region ${region} lies outside your scope (${actor.scope})`)
  }
  const teamId = randomUUID()
  await relational.write.transaction().execute(async (trx) => {
    await trx.insertInto('team').values({ team_id: teamId, name, region, kind }).execute()
    const detail = { name, region, kind }
    await audit.append(trx, { actor, action: 'team.created', subject: `team:${teamId}`, detail })
  })
  return { teamId, name, region, kind, memberCount: 0, openDispatches: 0 }
}

/** Teams whose region lies inside the caller's scope, by name. */
export async function listTeams(db: DbOrTransaction, caller: Principal): Promise<Team[]> {
  const rows = await db
    .selectFrom('team')
    .selectAll('team')
    .select((eb) => [
      eb
        .selectFrom('team_member')
        .innerJoin('user_account', 'user_account.user_id', 'team_member.user_id')
        .whereRef('team_member.team_id', '=', 'team.team_id')
        .where('user_account.is_disabled', '=', 0)
        .select(eb.fn.countAll<number>().as('count'))
        .as('member_count'),
      eb
        .selectFrom('dispatch')
        .whereRef('dispatch.team_id', '=', 'team.team_id')
        .where('dispatch.state', '<>', 'closed')
        .select(eb.fn.countAll<number>().as('count'))
        .as('open_dispatches'),
    ])
    .where((eb) => inScope(caller, eb.ref('team.region')))
    .orderBy('team.name')
    .orderBy('team.team_id')
    .execute()
  return rows.map((row) => ({
    teamId: row.team_id,
    name: row.name,
    region: row.region,
    kind: row.kind as Team['kind'],
    memberCount: row.member_count ?? 0,
    openDispatches: row.open_dispatches ?? 0,
  }))
}

/** Throws HUB_NOT_FOUND if there is no such team inside the caller's scope. */
export async function requireTeam(
  db: DbOrTransaction,
  caller: Principal,
  teamId: string,
): Promise<{ name: string; region: string }> {
  const team = await db
    .selectFrom('team')
    .select(['name', 'region'])
    .where('team_id', '=', teamId)
    .where((eb) => inScope(caller, eb.ref('region')))
    .executeTakeFirst()
  if (!team) throw new HubError('HUB_NOT_FOUND', `no team ${teamId}`)
  return team
}

/** Who is in a team, by user name. Throws HUB_NOT_FOUND. */
export async function listMembers(
  db: DbOrTransaction,
  caller: Principal,
  teamId: string,
): Promise<TeamMember[]> {
  await requireTeam(db, caller, teamId)
  const rows = await db
    .selectFrom('team_member')
    .innerJoin('user_account', 'user_account.user_id', 'team_member.user_id')
    .select(['user_account.user_id', 'user_account.username', 'user_account.display_name'])
    .where('team_member.team_id', '=', teamId)
    .orderBy('user_account.username')
    .execute()
  return rows.map((row) => ({ userId: row.user_id, username: row.username, displayName: row.display_name }))
}

export interface MemberChange {
  actor: Principal
  teamId: string
  userId: string
  isMember: boolean
}

/** Puts somebody into a team or takes them out; a repeat changes nothing. Team and user must be inside the scope. */
export async function setMember(
  { relational, audit }: TeamsDeps,
  { actor, teamId, userId, isMember }: MemberChange,
): Promise<void> {
  await relational.write.transaction().execute(async (trx) => {
    await requireTeam(trx, actor, teamId)
    const user = await trx
      .selectFrom('user_account')
      .select('username')
      .where('user_id', '=', userId)
      .where((eb) => inScope(actor, eb.ref('scope')))
      .executeTakeFirst()
    if (!user) throw new HubError('HUB_NOT_FOUND', `no user ${userId}`)
    await trx.deleteFrom('team_member').where('team_id', '=', teamId).where('user_id', '=', userId).execute()
    if (isMember) await trx.insertInto('team_member').values({ team_id: teamId, user_id: userId }).execute()
    const action = isMember ? 'team.member-added' : 'team.member-removed'
    const detail = { userId, username: user.username }
    await audit.append(trx, { actor, action, subject: `team:${teamId}`, detail })
  })
}
