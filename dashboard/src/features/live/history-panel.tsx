import type { Sensitivity } from '@patrolhub/protocol'
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
import { ExportList } from './export-list.tsx'
import { GrantDialog } from './grant-dialog.tsx'
import { HistoryPlayer } from './history-player.tsx'
import styles from './live-panel.module.css'
import { PendingGrant } from './pending-grant.tsx'

interface HistoryPanelProps {
  /** One whose sensitivity is not known lies outside the scope. */
  camera: { cameraId: string; name: string; sensitivity?: Sensitivity }
  incidentId?: string
  /** What it is about, for the span that is proposed. */
  aroundMs?: number
}

/** What one camera's edge has recorded, from asking for a span of it to its end. */
export function HistoryPanel({ camera, incidentId, aroundMs }: HistoryPanelProps) {
  const { t } = useTranslation()
  const { userId } = useSession()
  const nowMs = useNowMs()
  const { data, error, refetch } = useQuery(grantsQuery)
  const [isAsking, setAsking] = useState(false)
  const who = { userId, cameraId: camera.cameraId, kind: 'history', nowMs } as const
  const grant = currentGrant(data?.items ?? [], who)
  const playPath = grant && grant.endAtMs > nowMs ? playPathOf(grant, camera.cameraId) : undefined
  const isOpen = grant?.history !== undefined && playPath !== undefined
  return (
    <>
      <Panel
        title={t('history.titleOf', { name: camera.name })}
        aside={
          isOpen ? (
            <Button onClick={() => setAsking(true)}>{t('history.askOther')}</Button>
          ) : (
            <span>{camera.sensitivity ? t(`sensitivity.${camera.sensitivity}`) : t('live.outsideMark')}</span>
          )
        }
      >
        <ErrorNote error={error} onRetry={() => void refetch()} />
        {isOpen && grant.history ? (
          <HistoryPlayer
            key={grant.grantId}
            grant={grant}
            history={grant.history}
            camera={camera}
            playPath={playPath}
          />
        ) : grant?.state === 'pending' ? (
          <PendingGrant grant={grant} />
        ) : (
          <div className={styles.stage}>
            <p>{t('history.needsGrant')}</p>
            <Button look="primary" onClick={() => setAsking(true)}>
              {t('history.ask')}
            </Button>
          </div>
        )}
        {isAsking ? (
          <GrantDialog
            isHistory
            subject={{ kind: 'camera', ...camera }}
            incidentId={incidentId}
            aroundMs={aroundMs}
            onClose={() => setAsking(false)}
          />
        ) : null}
      </Panel>
      <ExportList cameraId={camera.cameraId} />
    </>
  )
}
