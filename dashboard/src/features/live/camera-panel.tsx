import type { Sensitivity } from '@patrolhub/protocol'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { TabRow } from '../../ui/tab-row.tsx'
import { HistoryPanel } from './history-panel.tsx'
import styles from './live-panel.module.css'
import { LivePanel } from './live-panel.tsx'

const VIEWS = ['live', 'history'] as const

interface CameraPanelProps {
  /** One whose sensitivity is not known lies outside the scope. */
  camera: { cameraId: string; name: string; sensitivity?: Sensitivity }
  incidentId?: string
  /** What a history would be about. */
  aroundMs?: number
}

/** One camera: its live picture, or what was recorded. */
export function CameraPanel({ camera, incidentId, aroundMs }: CameraPanelProps) {
  const { t } = useTranslation()
  const [view, setView] = useState<(typeof VIEWS)[number]>('live')
  return (
    <div className={styles.views}>
      <TabRow
        label={t('history.view')}
        tabs={VIEWS.map((value) => ({ value, label: t(`history.views.${value}`) }))}
        chosen={view}
        onChoose={setView}
      />
      {view === 'live' ? (
        <LivePanel camera={camera} incidentId={incidentId} />
      ) : (
        <HistoryPanel camera={camera} incidentId={incidentId} aroundMs={aroundMs} />
      )}
    </div>
  )
}
