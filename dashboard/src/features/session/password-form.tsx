import type { ChangePassword } from '@patrolhub/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'

export const MIN_PASSWORD_LENGTH = 12

/** Replaces the one-time password. `username` is there for password managers only. */
export function PasswordForm({ username }: { username: string }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [differ, setDiffer] = useState(false)
  const change = useMutation({
    mutationKey: ['sign-in'],
    mutationFn: (body: ChangePassword) => api.post<unknown>('/api/session/password', body),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.session }),
  })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        const form = new FormData(event.currentTarget)
        const next = String(form.get('next'))
        const isSame = next === String(form.get('again'))
        setDiffer(!isSame)
        if (isSame) change.mutate({ current: String(form.get('current')), next })
      }}
    >
      <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
      <TextField
        label={t('session.currentPassword')}
        name="current"
        type="password"
        autoComplete="current-password"
        required
        maxLength={200}
        autoFocus
      />
      <TextField
        label={t('session.newPassword')}
        hint={t('session.passwordRule', { length: MIN_PASSWORD_LENGTH })}
        name="next"
        type="password"
        autoComplete="new-password"
        required
        minLength={MIN_PASSWORD_LENGTH}
        maxLength={200}
      />
      <TextField
        label={t('session.repeatPassword')}
        name="again"
        type="password"
        autoComplete="new-password"
        required
        maxLength={200}
      />
      {differ ? <p role="alert">{t('session.passwordsDiffer')}</p> : null}
      <ErrorNote error={change.error} />
      <Button type="submit" look="primary" isWide isBusy={change.isPending}>
        {t('session.changePassword')}
      </Button>
    </form>
  )
}
