import type { CreatedUser, User } from '@patrolhub/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'
import { useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import styles from './admin.module.css'
import type { Secret } from './secret-dialog.tsx'

type Change = 'reset' | 'disable'

/** A new one-time password (which also enables the account again), or the end of an account. Both are asked twice. */
export function UserActions({ user, onSecret }: { user: User; onSecret: (secret: Secret) => void }) {
  const { t } = useTranslation()
  const { userId } = useSession()
  const queries = useQueryClient()
  const [asking, setAsking] = useState<Change>()
  const path = `/api/users/${encodeURIComponent(user.userId)}`
  const change = useMutation({
    mutationFn: async (what: Change) => {
      if (what === 'reset') return api.post<CreatedUser>(`${path}/password`)
      await api.delete<void>(path)
      return undefined
    },
    onSuccess: (created) => {
      void queries.invalidateQueries({ queryKey: keys.users })
      setAsking(undefined)
      if (!created) return
      onSecret({
        title: t('admin.passwordReset'),
        label: t('admin.oneTimePassword'),
        owner: `${created.user.displayName} (${created.user.username})`,
        value: created.oneTimePassword,
      })
    },
  })
  const owner = `${user.displayName} (${user.username})`
  // Who disables or resets their own account locks themselves out.
  if (user.userId === userId) return null
  return (
    <div className={styles.rowButtons}>
      <Button look="plain" aria-label={`${t('admin.reset')}: ${owner}`} onClick={() => setAsking('reset')}>
        {t('admin.reset')}
      </Button>
      {user.isDisabled ? null : (
        <Button
          look="plain"
          aria-label={`${t('admin.disable')}: ${owner}`}
          onClick={() => setAsking('disable')}
        >
          {t('admin.disable')}
        </Button>
      )}
      {asking ? (
        <Dialog title={t(`admin.${asking}`)} onClose={() => setAsking(undefined)}>
          <p>{t(`admin.${asking}Help`, { owner })}</p>
          <ErrorNote error={change.error} />
          <DialogActions>
            <Button onClick={() => setAsking(undefined)}>{t('common.cancel')}</Button>
            <Button look="danger" isBusy={change.isPending} onClick={() => change.mutate(asking)}>
              {t(`admin.${asking}`)}
            </Button>
          </DialogActions>
        </Dialog>
      ) : null}
    </div>
  )
}
