import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import styles from './admin.module.css'

export interface Secret {
  title: string
  /** What the secret is, e.g. "One-time password". */
  label: string
  /** Whom or what it belongs to. */
  owner: string
  value: string
}

/** Shows a secret once. The hub keeps only its hash: whoever closes this without noting it has to make a new one. */
export function SecretDialog({ secret, onClose }: { secret: Secret; onClose: () => void }) {
  const { t } = useTranslation()
  const [isCopied, setCopied] = useState(false)
  return (
    // Escape does nothing: what is closed by a slip of the hand cannot be read again.
    <Dialog title={secret.title} onClose={() => {}}>
      <dl className={styles.secret}>
        <dt>{t('admin.for')}</dt>
        <dd>{secret.owner}</dd>
        <dt>{secret.label}</dt>
        <dd>
          <output aria-label={secret.label} className={styles.value}>
            {secret.value}
          </output>
        </dd>
      </dl>
      <p className={styles.warning}>{t('admin.shownOnce')}</p>
      <DialogActions>
        {navigator.clipboard ? (
          <Button
            onClick={() => {
              void navigator.clipboard.writeText(secret.value).then(
                () => setCopied(true),
                () => setCopied(false),
              )
            }}
          >
            {isCopied ? t('admin.copied') : t('admin.copy')}
          </Button>
        ) : null}
        <Button look="primary" onClick={onClose}>
          {t('admin.noted')}
        </Button>
      </DialogActions>
    </Dialog>
  )
}
