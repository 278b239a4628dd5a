/** Who is in the command of an emergency plan, as a condition: the plans feature and the grants that it gives ask here. */
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'

/** SQL condition: the row of `plan_command` names this user, their role, or a team that they are in. */
export function isCommanding(userId: Expression<string>, role: Expression<string>): RawBuilder<SqlBool> {
  return sql<SqlBool>`(
    (plan_command.kind = 'user' and plan_command.subject_id = ${userId})
    or (plan_command.kind = 'role' and plan_command.subject_id = ${role})
    or (plan_command.kind = 'team' and plan_command.subject_id in
      (select team_id from team_member where team_member.user_id = ${userId})))`
}
