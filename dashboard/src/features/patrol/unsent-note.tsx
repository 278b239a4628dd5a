import { useTranslation } from 'react-i18next'
import { Button } from '../../ui/button.tsx'
import { useOutbox, useUnsent } from './outbox-context.tsx'
import type { OutboxEntry } from './outbox-store.ts'
import styles from './patrol.module.css'

function useEntryName(): (entry: OutboxEntry) => string {
  const { t } = useTranslation()
  return (entry) => (entry.kind === 'photo' ? t('patrol.photo') : t(`stepName.${entry.step.state}`))
}

/** Says plainly what the hub does not have yet, and what it refused. */
export function UnsentNote({ dispatchId }: { dispatchId?: string }) {
  const { t } = useTranslation()
  const outbox = useOutbox()
  const unsent = useUnsent(dispatchId)
  const nameOf = useEntryName()
  const waiting = unsent.filter((entry) => entry.refusal === '')
  const refused = unsent.filter((entry) => entry.refusal !== '')
  if (unsent.length === 0) return null
  return (
    <div className={styles.unsent} role="status">
      {waiting.length > 0 ? (
        <div className={styles.unsentLine}>
          <div>
            <strong>{t('patrol.notSent')}</strong>
            <p>{waiting.map(nameOf).join(' · ')}</p>
          </div>
          <Button onClick={() => outbox.poke()}>{t('patrol.sendNow')}</Button>
        </div>
      ) : null}
      {refused.map((entry) => (
        <div key={entry.id} className={styles.unsentLine}>
          <div>
            <strong>{t('patrol.refused', { what: nameOf(entry) })}</strong>
            <p>{entry.refusal}</p>
          </div>
          <Button onClick={() => void outbox.discard(entry.id)}>{t('patrol.understood')}</Button>
        </div>
      ))}
    </div>
  )
}
