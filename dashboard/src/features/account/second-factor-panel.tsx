import type { RecoveryCodes } from '@patrolhub/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'
import { useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { TextField } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { EnrolForm } from './enrol-form.tsx'
import { RecoveryCodeList } from './recovery-code-list.tsx'

const PATH = '/api/session/second-factor'

function RemoveDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const remove = useMutation({
    mutationKey: ['sign-in'],
    mutationFn: (password: string) => api.post<void>(`${PATH}/removal`, { password }),
    onSuccess: () => {
      onClose()
      void queries.invalidateQueries({ queryKey: keys.session })
    },
  })
  return (
    <Dialog title={t('account.removeFactor')} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          remove.mutate(String(new FormData(event.currentTarget).get('password')))
        }}
      >
        <TextField
          label={t('session.password')}
          name="password"
          type="password"
          autoComplete="current-password"
          required
          autoFocus
        />
        <ErrorNote error={remove.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="danger" isBusy={remove.isPending}>
            {t('account.removeFactor')}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

/** One's own second factor: set up, recovery codes, removal. */
export function SecondFactorPanel() {
  const { t } = useTranslation()
  const { hasSecondFactor } = useSession()
  const queries = useQueryClient()
  const [open, setOpen] = useState<'enrol' | 'remove'>()
  const renew = useMutation({ mutationFn: () => api.post<RecoveryCodes>(`${PATH}/recovery-codes`) })
  const refresh = () => {
    setOpen(undefined)
    void queries.invalidateQueries({ queryKey: keys.session })
  }
  return (
    <Panel title={t('account.secondFactor')}>
      <p>{hasSecondFactor ? t('account.factorOn') : t('account.factorOff')}</p>
      <ErrorNote error={renew.error} />
      {hasSecondFactor ? (
        <>
          <Button isBusy={renew.isPending} onClick={() => renew.mutate()}>
            {t('account.renewCodes')}
          </Button>
          <Button look="danger" onClick={() => setOpen('remove')}>
            {t('account.removeFactor')}
          </Button>
        </>
      ) : (
        <Button look="primary" onClick={() => setOpen('enrol')}>
          {t('account.setUp')}
        </Button>
      )}
      {renew.data ? (
        <Dialog title={t('account.recoveryCodes')} onClose={() => {}}>
          <RecoveryCodeList codes={renew.data.recoveryCodes} onDone={() => renew.reset()} />
        </Dialog>
      ) : null}
      {open === 'enrol' ? (
        <Dialog title={t('account.secondFactor')} onClose={refresh}>
          <EnrolForm onDone={refresh} />
        </Dialog>
      ) : null}
      {open === 'remove' ? <RemoveDialog onClose={() => setOpen(undefined)} /> : null}
    </Panel>
  )
}
