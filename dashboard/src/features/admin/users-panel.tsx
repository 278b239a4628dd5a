import type { CreatedUser, NewUser, Role, User } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, teamsQuery, usersQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { SelectField, TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import styles from './admin.module.css'
import { NewDialog } from './new-dialog.tsx'
import { RegionField } from './region-field.tsx'
import { type Secret, SecretDialog } from './secret-dialog.tsx'
import { UserActions } from './user-actions.tsx'

const ROLES = Object.keys({
  operator: true,
  supervisor: true,
  patroller: true,
  engineer: true,
  auditor: true,
  administrator: true,
} satisfies Record<Role, true>) as Role[]

function NewUserDialog({ onClose, onCreated }: { onClose: () => void; onCreated: (secret: Secret) => void }) {
  const { t } = useTranslation()
  const { scope } = useSession()
  const queries = useQueryClient()
  const { data: teams = [] } = useQuery(teamsQuery)
  const [role, setRole] = useState<Role>('operator')
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
        onChange={(event) => setRole(event.currentTarget.value as Role)}
        hint={t(`roleHelp.${role}`)}
        choices={ROLES.map((value) => ({ value, label: t(`role.${value}`) }))}
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
            { title: t('admin.role'), cell: (user) => t(`role.${user.role}`) },
            { title: t('admin.scope'), cell: (user) => regionName(user.scope) },
            { title: t('admin.teams'), cell: (user) => user.teamIds.map(teamName).join(', ') || '–' },
            {
              title: t('admin.account'),
              cell: (user) => (
                <StateMark tone={user.isDisabled ? 'bad' : 'dim'}>
                  {user.isDisabled ? t('admin.disabled') : t('admin.enabled')}
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
