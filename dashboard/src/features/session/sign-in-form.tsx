import type { Session, SignIn } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, api } from '../../lib/api.ts'
import { keys, signInWaysQuery } from '../../lib/queries.ts'
import { useLive } from '../../lib/use-live.ts'
import { Button } from '../../ui/button.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'

export function SignInForm() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const live = useLive()
  const [asksCode, setAsksCode] = useState(false)
  const signIn = useMutation({
    mutationKey: ['sign-in'],
    mutationFn: (body: SignIn) => api.post<Session>('/api/session', body),
    onError: (error) => {
      if (error instanceof ApiError && error.code === 'HUB_SECOND_FACTOR') setAsksCode(true)
    },
    onSuccess: (session) => {
      live.endedBecause = ''
      // Whatever an earlier person had loaded on this screen goes first.
      queries.removeQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] })
      queries.setQueryData(keys.session, session)
    },
  })
  const { data: ways } = useQuery(signInWaysQuery)
  // The password was right; what is missing is no error.
  const isMissing =
    asksCode && signIn.error instanceof ApiError && signIn.error.details.includes('code: missing')
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        const form = new FormData(event.currentTarget)
        const code = textOf(form, 'code')
        signIn.mutate({
          username: textOf(form, 'username'),
          password: String(form.get('password')),
          ...(code === '' ? {} : { code }),
        })
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
      {asksCode ? (
        <TextField
          label={t('session.code')}
          hint={t('session.codeHint')}
          name="code"
          autoComplete="one-time-code"
          maxLength={40}
          required
          autoFocus
        />
      ) : null}
      <ErrorNote error={isMissing ? undefined : signIn.error} />
      <Button type="submit" look="primary" isWide isBusy={signIn.isPending}>
        {t('session.signIn')}
      </Button>
      {ways?.oidcName ? (
        <p>
          <a href="/api/session/oidc">{t('session.signInWith', { name: ways.oidcName })}</a>
        </p>
      ) : null}
    </form>
  )
}
