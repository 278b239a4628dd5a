import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'
import { useLive } from '../../lib/use-live.ts'
import { Button } from '../../ui/button.tsx'

export function SignOutButton() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const live = useLive()
  const signOut = useMutation({
    mutationFn: () => api.delete<void>('/api/session'),
    onSuccess: () => {
      live.close()
      // Nothing of this person stays behind for the next one.
      queries.removeQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] })
      queries.setQueryData(keys.session, null)
    },
  })
  return (
    <Button look="plain" isBusy={signOut.isPending} onClick={() => signOut.mutate()}>
      {t('session.signOut')}
    </Button>
  )
}
