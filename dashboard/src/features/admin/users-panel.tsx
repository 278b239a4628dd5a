import { BUILT_IN_ROLES, type CreatedUser, type NewUser, type User } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, rolesQuery, teamsQuery, usersQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useRoleName } from '../../lib/role-name.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { SelectField, TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { RegionField } from '../../ui/region-field.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import styles from './admin.module.css'
import { NewDialog } from './new-dialog.tsx'
import { type Secret, SecretDialog } from './secret-dialog.tsx'
import { UserActions } from './user-actions.tsx'

function NewUserDialog({ onClose, onCreated }: { onClose: () => void; onCreated: (secret: Secret) => void }) {
  const { t } = useTranslation()
  const { scope } = useSession()
  const queries = useQueryClient()
  const { data: teams = [] } = useQuery(teamsQuery)
  const roleName = useRoleName()
  const { data: known } = useQuery(rolesQuery)
  const roles = known?.roles ?? BUILT_IN_ROLES.map((one) => ({ role: one, name: one }))
  const [role, setRole] = useState('operator')
  const create = useMutation({
    mutationFn: (body: NewUser) => api.post<CreatedUser>('/api/users', body),
    onSuccess: ({ user, oneTimePassword }) => {
      void queries.invalidateQueries({ queryKey: keys.users })
      void queries.invalidateQueries({ queryKey: keys.teams })
      onCreated({
        title: t('admin.userCreated'),
        label: t('admin.oneTimePassword'),
        owner: `${user.displayName} (${user.username})`,
        value: oneTimePassword,
      })
    },
  })
  return (
    <NewDialog
      title={t('admin.newUser')}
      error={create.error}
      isBusy={create.isPending}
      onClose={onClose}
      onSubmit={(form) => {
        const teamIds = form.getAll('teamIds').map(String)
        create.mutate({
          username: textOf(form, 'username'),
          displayName: textOf(form, 'displayName'),
          role,
          scope: textOf(form, 'scope'),
          ...(teamIds.length > 0 ? { teamIds } : {}),
        })
      }}
    >
      <TextField
        label={t('admin.username')}
        name="username"
        hint={t('admin.usernameHint')}
        pattern="[a-z0-9][a-z0-9._\-]{1,63}"
        autoCapitalize="none"
        autoComplete="off"
        required
        autoFocus
      />
      <TextField
        label={t('admin.displayName')}
        name="displayName"
        required
        maxLength={80}
        autoComplete="off"
      />
      <SelectField
        label={t('admin.role')}
        name="role"
        value={role}
        onChange={(event) => setRole(event.currentTarget.value)}
        hint={t(`roleHelp.${role}`, { defaultValue: '' })}
        choices={roles.map(({ role: value, name }) => ({ value, label: roleName(value, name) }))}
      />
      <RegionField label={t('admin.scope')} name="scope" initial={scope} />
      {role === 'patroller' && teams.length > 0 ? (
        <fieldset className={styles.checks}>
          <legend>{t('admin.teams')}</legend>
          {teams.map((team) => (
            <label key={team.teamId}>
              <input type="checkbox" name="teamIds" value={team.teamId} /> {team.name}
            </label>
          ))}
        </fieldset>
      ) : null}
    </NewDialog>
  )
}

export function UsersPanel() {
  const { t } = useTranslation()
  const may = useMay()
  const regionName = useRegionName()
  const roleName = useRoleName()
  const { data, error, isPending, refetch } = useQuery(usersQuery)
  const { data: teams = [] } = useQuery(teamsQuery)
  const [isOpen, setOpen] = useState(false)
  const [secret, setSecret] = useState<Secret>()
  const teamName = (teamId: string) => teams.find((team) => team.teamId === teamId)?.name ?? teamId
  return (
    <Panel
      title={t('admin.users')}
      aside={may('user.write') ? <Button onClick={() => setOpen(true)}>{t('admin.newUser')}</Button> : null}
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data ? (
        <DataTable
          caption={t('admin.users')}
          rows={data}
          rowKey={(user) => user.userId}
          columns={[
            { title: t('admin.displayName'), cell: (user) => user.displayName },
            { title: t('admin.username'), cell: (user) => user.username },
            { title: t('admin.role'), cell: (user) => roleName(user.role, user.roleName) },
            { title: t('admin.scope'), cell: (user) => regionName(user.scope) },
            { title: t('admin.teams'), cell: (user) => user.teamIds.map(teamName).join(', ') || '–' },
            {
              title: t('admin.duty'),
              cell: (user) => (user.isOnDuty ? t('admin.onDuty') : t('admin.offDuty')),
            },
            {
              title: t('account.secondFactor'),
              cell: (user) => (user.hasSecondFactor ? t('access.yes') : t('access.no')),
            },
            {
              title: t('admin.account'),
              cell: (user) => (
                <StateMark tone={user.isDisabled || user.lockedUntilMs ? 'bad' : 'dim'}>
                  {user.isDisabled
                    ? t('admin.disabled')
                    : user.lockedUntilMs
                      ? t('admin.locked')
                      : t('admin.enabled')}
                </StateMark>
              ),
            },
            ...(may('user.write')
              ? [
                  {
                    title: t('admin.change'),
                    cell: (user: User) => <UserActions user={user} onSecret={setSecret} />,
                  },
                ]
              : []),
          ]}
        />
      ) : null}
      {isOpen ? (
        <NewUserDialog
          onClose={() => setOpen(false)}
          onCreated={(made) => {
            setOpen(false)
            setSecret(made)
          }}
        />
      ) : null}
      {secret ? <SecretDialog secret={secret} onClose={() => setSecret(undefined)} /> : null}
    </Panel>
  )
}
