import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useParams } from 'react-router'
import type { SpanName } from '../../features/checkpoints/series-figures.ts'
import { SeriesPanel } from '../../features/checkpoints/series-panel.tsx'
import { SpanChoice } from '../../features/checkpoints/span-choice.tsx'
import { devicesQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import styles from './page.module.css'

/** The readings of one sensor against what was expected. */
export function SensorPage() {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const { sensorId = '' } = useParams()
  const { data: devices, error, isPending } = useQuery(devicesQuery)
  const [span, setSpan] = useState<SpanName>('hour')
  if (isPending) return <LoadingNote />
  if (!devices) return <ErrorNote error={error} />
  const sensor = devices.sensors.find((item) => item.sensorId === sensorId)
  if (!sensor) return <EmptyNote>{t('devices.unknown')}</EmptyNote>
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <h1>{sensor.name}</h1>
        <p>{regionName(sensor.region)}</p>
        <SpanChoice span={span} onChoose={setSpan} />
      </header>
      <SeriesPanel deviceId={sensorId} series={sensor.quantity} unit={sensor.unit} span={span} />
    </div>
  )
}
