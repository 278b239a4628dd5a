import { BUILT_IN_ROLES, covers, type NewPlan, type Plan, type PlanChange } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { groupsQuery, keys, rolesQuery, teamsQuery } from '../../lib/queries.ts'
import { useRoleName } from '../../lib/role-name.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { TextArea, TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { RegionField } from '../../ui/region-field.tsx'
import { CheckList } from './check-list.tsx'
import styles from './plans.module.css'

type Command = PlanChange['command']

/** What was ticked and written, as the hub takes it. */
function commandOf(form: FormData): Command {
  const users = textOf(form, 'users')
    .split(/[\s,;，；、]+/)
    .filter((name) => name !== '')
  return [
    ...form.getAll('roles').map((id) => ({ kind: 'role' as const, id: String(id) })),
    ...form.getAll('teams').map((id) => ({ kind: 'team' as const, id: String(id) })),
    ...[...new Set(users)].map((id) => ({ kind: 'user' as const, id })),
  ]
}

/** The roles that there are, for those who may see them; else those that every hub has and those in the plan. */
function useRoleChoices(plan: Plan | undefined) {
  const may = useMay()
  const roleName = useRoleName()
  const { data } = useQuery({ ...rolesQuery, enabled: may('user.read') })
  const roles = new Map(BUILT_IN_ROLES.map((role) => [role as string, roleName(role, role)]))
  for (const { kind, id, name } of plan?.command ?? []) if (kind === 'role') roles.set(id, roleName(id, name))
  for (const { role, name } of data?.roles ?? []) roles.set(role, roleName(role, name))
  return [...roles].map(([value, label]) => ({ value, label }))
}

/** Writes a plan, or changes it; `plan` undefined: a new one. */
export function PlanDialog({ plan, onClose }: { plan: Plan | undefined; onClose: () => void }) {
  const { t } = useTranslation()
  const { scope } = useSession()
  const queries = useQueryClient()
  const { data: groups } = useQuery(groupsQuery)
  const { data: teams } = useQuery(teamsQuery)
  const roles = useRoleChoices(plan)
  const save = useMutation({
    mutationFn: ({ region, ...change }: NewPlan) =>
      plan
        ? api.put<Plan>(`/api/plans/${plan.planId}`, change)
        : api.post<Plan>('/api/plans', { region, ...change }),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.plans })
      onClose()
    },
  })
  const chosen = (kind: Command[number]['kind']) =>
    plan?.command.filter((one) => one.kind === kind).map(({ id }) => id) ?? []
  return (
    <Dialog title={plan ? t('plan.changeTitle', { name: plan.name }) : t('plan.new')} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          save.mutate({
            name: textOf(form, 'name'),
            region: textOf(form, 'region'),
            groupIds: form.getAll('groupIds').map(String),
            command: commandOf(form),
          })
        }}
      >
        <TextField
          label={t('plan.name')}
          name="name"
          defaultValue={plan?.name}
          required
          maxLength={80}
          autoComplete="off"
        />
        {plan ? (
          <input type="hidden" name="region" value={plan.region} />
        ) : (
          <RegionField label={t('plan.region')} name="region" initial={scope} />
        )}
        <CheckList
          label={t('plan.groups')}
          name="groupIds"
          chosen={plan?.groups.map(({ groupId }) => groupId) ?? []}
          choices={(groups?.items ?? [])
            .filter(({ region }) => !plan || covers(plan.region, region))
            .map(({ groupId, name }) => ({ value: groupId, label: name }))}
        />
        <CheckList label={t('plan.roles')} name="roles" chosen={chosen('role')} choices={roles} />
        <CheckList
          label={t('plan.teams')}
          name="teams"
          chosen={chosen('team')}
          choices={(teams ?? []).map(({ teamId, name }) => ({ value: teamId, label: name }))}
        />
        <TextArea
          label={t('plan.users')}
          hint={t('plan.usersHint')}
          name="users"
          rows={2}
          defaultValue={chosen('user').join(' ')}
          autoComplete="off"
        />
        {plan ? <p className={styles.note}>{t('plan.changeHelp')}</p> : null}
        <ErrorNote error={save.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="primary" isBusy={save.isPending}>
            {t('admin.save')}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
