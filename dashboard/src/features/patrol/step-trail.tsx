import type { Dispatch } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { evidenceUrl } from '../../lib/api.ts'
import { TimeText } from '../../ui/time-text.tsx'
import type { OutboxEntry } from './outbox-store.ts'
import styles from './patrol.module.css'

/** What was done when, those not sent yet marked as such; then the photos that the hub has. */
export function StepTrail({ dispatch, unsent }: { dispatch: Dispatch; unsent: readonly OutboxEntry[] }) {
  const { t } = useTranslation()
  const waiting = unsent.filter((entry) => entry.kind === 'step' && entry.refusal === '')
  const photos = dispatch.photos.filter((photo) => photo.isStored)
  return (
    <>
      <ol className={styles.trail} aria-label={t('patrol.steps')}>
        {dispatch.steps.map((step) => (
          <li key={`${step.state} ${step.atMs}`}>
            <span>{t(`stepName.${step.state}`)}</span>
            <span className={styles.soft}>{step.actorName}</span>
            <span className={styles.end}>
              <TimeText atMs={step.atMs} form="clock" />
            </span>
            {step.note && step.note !== dispatch.instruction ? <p>{step.note}</p> : null}
          </li>
        ))}
        {waiting.map((entry) =>
          entry.kind === 'step' ? (
            <li key={entry.id}>
              <span>{t(`stepName.${entry.step.state}`)}</span>
              <span className={styles.warn}>{t('patrol.notSent')}</span>
              <span className={styles.end}>
                <TimeText atMs={entry.atMs} form="clock" />
              </span>
            </li>
          ) : null,
        )}
      </ol>
      {photos.length > 0 ? (
        <ul className={styles.previews}>
          {photos.map((photo, index) => (
            <li key={photo.evidenceId} className={styles.preview}>
              <img
                src={evidenceUrl(photo.evidenceId)}
                alt={t('patrol.photoNumber', { number: index + 1 })}
                loading="lazy"
              />
            </li>
          ))}
        </ul>
      ) : null}
    </>
  )
}
