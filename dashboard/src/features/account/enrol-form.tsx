import type { RecoveryCodes, SecondFactorOffer } from '@patrolhub/protocol'
import { useMutation } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { Button } from '../../ui/button.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { QrCode } from './qr-code.tsx'
import { RecoveryCodeList } from './recovery-code-list.tsx'

const PATH = '/api/session/second-factor'

/** Sets up an authenticator: shows the secret, asks for the first code, shows the recovery codes. */
export function EnrolForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation()
  const offer = useMutation({ mutationFn: () => api.post<SecondFactorOffer>(PATH) })
  const confirm = useMutation({
    // A wrong code is a 401 that ends nothing.
    mutationKey: ['sign-in'],
    mutationFn: (code: string) => api.put<RecoveryCodes>(PATH, { code }),
  })
  if (confirm.data) return <RecoveryCodeList codes={confirm.data.recoveryCodes} onDone={onDone} />
  if (!offer.data) {
    return (
      <>
        <p>{t('account.enrolHelp')}</p>
        <ErrorNote error={offer.error} />
        <Button look="primary" isWide isBusy={offer.isPending} onClick={() => offer.mutate()}>
          {t('account.enrolBegin')}
        </Button>
      </>
    )
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        confirm.mutate(textOf(new FormData(event.currentTarget), 'code'))
      }}
    >
      <p>{t('account.scan')}</p>
      <QrCode text={offer.data.uri} label={t('account.qrCode')} />
      <p>
        {t('account.typeInstead')} <code>{offer.data.secret}</code>
      </p>
      <TextField
        label={t('session.code')}
        name="code"
        inputMode="numeric"
        autoComplete="one-time-code"
        pattern="[0-9 ]{6,7}"
        required
        autoFocus
      />
      <ErrorNote error={confirm.error} />
      <Button type="submit" look="primary" isWide isBusy={confirm.isPending}>
        {t('account.enrolConfirm')}
      </Button>
    </form>
  )
}
