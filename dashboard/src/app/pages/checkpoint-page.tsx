import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useParams } from 'react-router'
import { PassageTable } from '../../features/checkpoints/passage-table.tsx'
import type { SpanName } from '../../features/checkpoints/series-figures.ts'
import { SeriesPanel } from '../../features/checkpoints/series-panel.tsx'
import { SpanChoice } from '../../features/checkpoints/span-choice.tsx'
import { devicesQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import styles from './page.module.css'

/** Flow and speed of one checkpoint against what was expected, and the last passages. */
export function CheckpointPage() {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const { checkpointId = '' } = useParams()
  const { data: devices, error, isPending } = useQuery(devicesQuery)
  const [span, setSpan] = useState<SpanName>('hour')
  if (isPending) return <LoadingNote />
  if (!devices) return <ErrorNote error={error} />
  const checkpoint = devices.checkpoints.find((item) => item.checkpointId === checkpointId)
  if (!checkpoint) return <EmptyNote>{t('devices.unknown')}</EmptyNote>
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <h1>{checkpoint.name}</h1>
        <p>
          {regionName(checkpoint.region)} · {t('checkpoint.lanes', { value: checkpoint.lanes })}
        </p>
        <SpanChoice span={span} onChoose={setSpan} />
      </header>
      <div className={styles.pair}>
        <SeriesPanel deviceId={checkpointId} series="flow" unit={t('unit.flow')} span={span} />
        <SeriesPanel deviceId={checkpointId} series="speed" unit={t('unit.speed')} span={span} />
      </div>
      <PassageTable checkpointId={checkpointId} />
    </div>
  )
}
