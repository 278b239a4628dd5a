import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { seriesQuery } from '../../lib/queries.ts'
import { seriesLabel } from '../../lib/reason.ts'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { AgeText } from '../../ui/time-text.tsx'
import { SeriesChart } from './series-chart.tsx'
import { SPANS, type SpanName, summaryOf } from './series-figures.ts'
import styles from './series-panel.module.css'

interface SeriesPanelProps {
  deviceId: string
  series: string
  unit: string
  span: SpanName
}

const figure = (value: number): string => String(Math.round(value * 10) / 10)

/** One series of a device, in a picture and in words. */
export function SeriesPanel({ deviceId, series, unit, span }: SeriesPanelProps) {
  const { t } = useTranslation()
  const { data, error, isPending, refetch } = useQuery(seriesQuery(deviceId, series, SPANS[span]))
  const { latest, anomalies, isEmpty } = summaryOf(data?.points ?? [])
  const label = seriesLabel(series, t)
  const words = latest
    ? t('series.summary', {
        series: label,
        value: `${figure(latest.value ?? 0)} ${unit}`,
        low: latest.expectedLow === null ? '–' : figure(latest.expectedLow),
        high: latest.expectedHigh === null ? '–' : figure(latest.expectedHigh),
        anomalies,
      })
    : label
  return (
    <Panel
      title={label}
      aside={
        latest ? (
          <span>
            <AgeText atMs={latest.atMs} />
          </span>
        ) : null
      }
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data && isEmpty ? <EmptyNote>{t('series.none')}</EmptyNote> : null}
      {data && latest ? (
        <>
          <div className={styles.now}>
            <span className={styles.value}>
              {figure(latest.value ?? 0)} <small>{unit}</small>
            </span>
            {latest.expectedLow !== null && latest.expectedHigh !== null ? (
              <span className={styles.expected}>
                {t('series.expected')} {figure(latest.expectedLow)} – {figure(latest.expectedHigh)}
              </span>
            ) : null}
            <StateMark tone={anomalies > 0 ? 'bad' : 'dim'}>
              {t('series.anomalies', { value: anomalies })}
            </StateMark>
          </div>
          <SeriesChart points={data.points} label={words} unit={unit} />
        </>
      ) : null}
    </Panel>
  )
}
