import { useTranslation } from 'react-i18next'
import { Button } from '../../ui/button.tsx'

/** Shown once: the hub keeps only their hashes. */
export function RecoveryCodeList({ codes, onDone }: { codes: readonly string[]; onDone: () => void }) {
  const { t } = useTranslation()
  return (
    <>
      <p>{t('account.recoveryHelp')}</p>
      <ul aria-label={t('account.recoveryCodes')}>
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <Button look="primary" isWide onClick={onDone}>
        {t('admin.noted')}
      </Button>
    </>
  )
}
