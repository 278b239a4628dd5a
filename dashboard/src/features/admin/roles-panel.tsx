import type { NewRole, RoleView } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, rolesQuery } from '../../lib/queries.ts'
import { useRoleName } from '../../lib/role-name.ts'
import { useMay } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import styles from './admin.module.css'

interface Draft {
  /** `undefined`: a new role with the permissions of the one that it is copied from. */
  changed?: RoleView
  permissions: readonly string[]
}

function RoleDialog({ draft, onClose }: { draft: Draft; onClose: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data } = useQuery(rolesQuery)
  const save = useMutation({
    mutationFn: ({ role, ...body }: NewRole) =>
      draft.changed
        ? api.put<RoleView>(`/api/roles/${encodeURIComponent(role)}`, body)
        : api.post<RoleView>('/api/roles', { role, ...body }),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.roles })
      onClose()
    },
  })
  return (
    <Dialog title={draft.changed ? t('access.changeRole') : t('access.newRole')} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          save.mutate({
            role: draft.changed?.role ?? textOf(form, 'role'),
            name: textOf(form, 'name'),
            permissions: form.getAll('permissions').map(String),
          })
        }}
      >
        {draft.changed ? null : (
          <TextField
            label={t('access.roleId')}
            name="role"
            pattern="[a-z][a-z0-9\-]{1,39}"
            hint={t('access.roleIdHint')}
            required
            autoComplete="off"
          />
        )}
        <TextField
          label={t('access.roleName')}
          name="name"
          defaultValue={draft.changed?.name}
          required
          maxLength={60}
          autoComplete="off"
        />
        <fieldset className={styles.checks}>
          <legend>{t('access.permissions')}</legend>
          {data?.permissions.map(({ permission, meaning }) => (
            <label key={permission} title={meaning}>
              <input
                type="checkbox"
                name="permissions"
                value={permission}
                defaultChecked={draft.permissions.includes(permission)}
              />{' '}
              {permission}
            </label>
          ))}
        </fieldset>
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

/** The roles and what each may do; copied and changed by those who may. */
export function RolesPanel() {
  const { t } = useTranslation()
  const may = useMay()
  const roleName = useRoleName()
  const { data, error, isPending, refetch } = useQuery(rolesQuery)
  const [draft, setDraft] = useState<Draft>()
  return (
    <Panel title={t('access.roles')}>
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data ? (
        <DataTable
          caption={t('access.roles')}
          rows={data.roles}
          rowKey={(role) => role.role}
          columns={[
            { title: t('admin.role'), cell: (role) => roleName(role.role, role.name) },
            { title: t('access.users'), cell: (role) => role.userCount, isNumber: true },
            { title: t('access.permissions'), cell: (role) => role.permissions.join(', ') || '–' },
            ...(may('role.write')
              ? [
                  {
                    title: t('admin.change'),
                    cell: (role: RoleView) => (
                      <div className={styles.rowButtons}>
                        <Button
                          look="plain"
                          onClick={() => setDraft({ changed: role, permissions: role.permissions })}
                        >
                          {t('access.changeRole')}
                        </Button>
                        <Button look="plain" onClick={() => setDraft({ permissions: role.permissions })}>
                          {t('access.copyRole')}
                        </Button>
                      </div>
                    ),
                  },
                ]
              : []),
          ]}
        />
      ) : null}
      {draft ? <RoleDialog draft={draft} onClose={() => setDraft(undefined)} /> : null}
    </Panel>
  )
}
