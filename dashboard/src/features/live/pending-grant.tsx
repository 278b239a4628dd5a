import type { Grant } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { Button } from '../../ui/button.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import styles from './live-panel.module.css'
import { useEndGrant } from './use-end-grant.ts'

/** A request that waits for a second person. */
export function PendingGrant({ grant }: { grant: Grant }) {
  const { t } = useTranslation()
  const withdraw = useEndGrant(grant.grantId)
  return (
    <div className={styles.stage} role="status">
      <p className={styles.big}>{t('live.pending')}</p>
      <p>{t('live.pendingHelp')}</p>
      <Button isBusy={withdraw.isPending} onClick={() => withdraw.mutate()}>
        {t('live.withdraw')}
      </Button>
      <ErrorNote error={withdraw.error} />
    </div>
  )
}
