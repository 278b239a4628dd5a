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
import { EditUserDialog } from './edit-user-dialog.tsx'
import type { Secret } from './secret-dialog.tsx'

type Change = 'reset' | 'disable' | 'unlock' | 'endSessions' | 'removeFactor'

/** Changing an account, and what is asked twice: new password, unlocking, ending sessions, disabling. */
export function UserActions({ user, onSecret }: { user: User; onSecret: (secret: Secret) => void }) {
  const { t } = useTranslation()
  const { userId } = useSession()
  const queries = useQueryClient()
  const [asking, setAsking] = useState<Change>()
  const [isEditing, setEditing] = useState(false)
  const path = `/api/users/${encodeURIComponent(user.userId)}`
  const change = useMutation({
    mutationFn: async (what: Change) => {
      if (what === 'reset') return api.post<CreatedUser>(`${path}/password`)
      if (what === 'unlock') await api.post<void>(`${path}/unlock`)
      else if (what === 'endSessions') await api.delete<void>(`${path}/sessions`)
      else if (what === 'removeFactor') await api.delete<void>(`${path}/second-factor`)
      else await api.delete<void>(path)
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
  const offered: readonly Change[] = [
    ...(user.lockedUntilMs ? (['unlock'] as const) : []),
    ...(user.isDisabled ? [] : (['endSessions'] as const)),
    ...(user.hasSecondFactor ? (['removeFactor'] as const) : []),
  ]
  return (
    <div className={styles.rowButtons}>
      <Button look="plain" aria-label={`${t('admin.edit')}: ${owner}`} onClick={() => setEditing(true)}>
        {t('admin.edit')}
      </Button>
      {offered.map((what) => (
        <Button
          key={what}
          look="plain"
          aria-label={`${t(`admin.${what}`)}: ${owner}`}
          onClick={() => setAsking(what)}
        >
          {t(`admin.${what}`)}
        </Button>
      ))}
      {isEditing ? <EditUserDialog user={user} onClose={() => setEditing(false)} /> : null}
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
