import type { AllowedHours, User, UserChange } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { request } from '../../lib/api.ts'
import { keys, rolesQuery } from '../../lib/queries.ts'
import { useRoleName } from '../../lib/role-name.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { SelectField, TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { RegionField } from '../../ui/region-field.tsx'
import styles from './admin.module.css'

const EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]

/** Changes role, scope, duty and hours. Several spans of hours, which only the interface makes, stay as they are. */
export function EditUserDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const roleName = useRoleName()
  const { data } = useQuery(rolesQuery)
  const [hasHours, setHasHours] = useState(user.hours !== null)
  const [span] = user.hours ?? []
  const isManySpans = (user.hours?.length ?? 0) > 1
  const change = useMutation({
    mutationFn: (body: UserChange) =>
      request<User>('PATCH', `/api/users/${encodeURIComponent(user.userId)}`, { body }),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.users })
      onClose()
    },
  })
  const hoursOf = (form: FormData): AllowedHours | null =>
    hasHours ? [{ days: span?.days ?? EVERY_DAY, from: textOf(form, 'from'), to: textOf(form, 'to') }] : null
  return (
    <Dialog title={t('admin.editUser', { name: user.displayName })} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          change.mutate({
            displayName: textOf(form, 'displayName'),
            role: textOf(form, 'role'),
            scope: textOf(form, 'scope'),
            isOnDuty: form.get('isOnDuty') === 'on',
            ...(isManySpans ? {} : { hours: hoursOf(form) }),
          })
        }}
      >
        <TextField
          label={t('admin.displayName')}
          name="displayName"
          defaultValue={user.displayName}
          required
          maxLength={80}
        />
        <SelectField
          key={data ? 'loaded' : 'loading'}
          label={t('admin.role')}
          name="role"
          defaultValue={user.role}
          choices={(data?.roles ?? [{ role: user.role, name: user.roleName }]).map(({ role, name }) => ({
            value: role,
            label: roleName(role, name),
          }))}
        />
        <RegionField label={t('admin.scope')} name="scope" initial={user.scope} />
        <fieldset className={styles.checks}>
          <legend>{t('admin.duty')}</legend>
          <label>
            <input type="checkbox" name="isOnDuty" defaultChecked={user.isOnDuty} /> {t('admin.onDuty')}
          </label>
          {isManySpans ? null : (
            <label>
              <input
                type="checkbox"
                checked={hasHours}
                onChange={(event) => setHasHours(event.currentTarget.checked)}
              />{' '}
              {t('admin.onlyHours')}
            </label>
          )}
        </fieldset>
        {hasHours && !isManySpans ? (
          <>
            <TextField label={t('admin.from')} name="from" type="time" defaultValue={span?.from} required />
            <TextField
              label={t('admin.to')}
              name="to"
              type="time"
              defaultValue={span?.to}
              hint={t('admin.hoursHelp')}
              required
            />
          </>
        ) : null}
        <ErrorNote error={change.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="primary" isBusy={change.isPending}>
            {t('admin.save')}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
