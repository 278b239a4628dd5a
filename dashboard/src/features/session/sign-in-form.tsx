import type { Session, SignIn } from '@patrolhub/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'
import { useLive } from '../../lib/use-live.ts'
import { Button } from '../../ui/button.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'

export function SignInForm() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const live = useLive()
  const signIn = useMutation({
    mutationKey: ['sign-in'],
    mutationFn: (body: SignIn) => api.post<Session>('/api/session', body),
    onSuccess: (session) => {
      live.endedBecause = ''
      // Whatever an earlier person had loaded on this screen goes first.
      queries.removeQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] })
      queries.setQueryData(keys.session, session)
    },
  })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        const form = new FormData(event.currentTarget)
        signIn.mutate({ username: textOf(form, 'username'), password: String(form.get('password')) })
      }}
    >
      <TextField
        label={t('session.username')}
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        required
        maxLength={64}
        autoFocus
      />
      <TextField
        label={t('session.password')}
        name="password"
        type="password"
        autoComplete="current-password"
        required
        maxLength={200}
      />
      <ErrorNote error={signIn.error} />
      <Button type="submit" look="primary" isWide isBusy={signIn.isPending}>
        {t('session.signIn')}
      </Button>
    </form>
  )
}
