import type { CameraHealth, Sensitivity } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { grantsQuery } from '../../lib/queries.ts'
import { useSession } from '../../lib/session.ts'
import { useNowMs } from '../../lib/use-now.ts'
import { Button } from '../../ui/button.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { currentGrant, playPathOf } from './current-grant.ts'
import { GrantDialog } from './grant-dialog.tsx'
import styles from './live-panel.module.css'
import { LivePlayer } from './live-player.tsx'
import { PendingGrant } from './pending-grant.tsx'

interface LivePanelProps {
  /** One whose sensitivity is not known lies outside the scope. */
  camera: { cameraId: string; name: string; sensitivity?: Sensitivity; health?: CameraHealth }
  incidentId?: string
}

/** Live video of one camera, from asking for a grant to its end. */
export function LivePanel({ camera, incidentId }: LivePanelProps) {
  const { t } = useTranslation()
  const { userId } = useSession()
  const nowMs = useNowMs()
  const { data, error, refetch } = useQuery(grantsQuery)
  const [isAsking, setAsking] = useState(false)
  const [isStopped, setStopped] = useState(false)
  const grant = currentGrant(data?.items ?? [], { userId, cameraId: camera.cameraId, kind: 'live', nowMs })
  const playPath = grant && grant.endAtMs > nowMs ? playPathOf(grant, camera.cameraId) : undefined
  // An old grant that is over says nothing about now; one of this hour explains why the picture is gone.
  const wasRecent = grant !== undefined && playPath === undefined && nowMs - grant.endAtMs < 3_600_000
  return (
    <Panel
      title={t('live.titleOf', { name: camera.name })}
      aside={
        <span>{camera.sensitivity ? t(`sensitivity.${camera.sensitivity}`) : t('live.outsideMark')}</span>
      }
    >
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {grant && playPath !== undefined && isStopped ? (
        <div className={styles.stage}>
          <p>{t('live.stopped')}</p>
          <Button look="primary" onClick={() => setStopped(false)}>
            {t('live.play')}
          </Button>
        </div>
      ) : grant && playPath !== undefined ? (
        <LivePlayer
          key={grant.grantId}
          grant={grant}
          name={camera.name}
          playPath={playPath}
          onStop={grant.target.kind === 'group' ? () => setStopped(true) : undefined}
          codec={camera.health?.codec}
        />
      ) : grant?.state === 'pending' ? (
        <PendingGrant grant={grant} />
      ) : (
        <div className={styles.stage}>
          {grant && wasRecent ? (
            <p role="status" className={styles.big}>
              {t(`live.ended.${grant.state === 'active' ? 'expired' : grant.state}`)}
            </p>
          ) : null}
          <p>{t('live.needsGrant')}</p>
          <Button look="primary" onClick={() => setAsking(true)}>
            {t('live.ask')}
          </Button>
        </div>
      )}
      {isAsking ? (
        <GrantDialog
          subject={{ kind: 'camera', ...camera }}
          incidentId={incidentId}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </Panel>
  )
}
