import type { SeriesPoint } from '@patrolhub/protocol'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { clockTime, dayTime } from '../../lib/time.ts'
import styles from './series-chart.module.css'
import { chartColumns } from './series-figures.ts'

const HEIGHT_PX = 240
const MAX_ANOMALY_PX = 9

interface SeriesChartProps {
  points: readonly SeriesPoint[]
  /** Says in words what the chart shows. */
  label: string
  unit: string
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

function optionsFor(
  texts: { time: string; value: string; expected: string; anomaly: string },
  unit: string,
  language: string,
) {
  const axis = { stroke: colour('--text-dim'), grid: { stroke: '#1d2935', width: 1 }, ticks: { show: false } }
  const figure = (_plot: UPlot, value: number | null) =>
    value === null ? '–' : `${Math.round(value * 10) / 10} ${unit}`
  const edge = { stroke: 'transparent', points: { show: false }, value: figure }
  return {
    width: 600,
    height: HEIGHT_PX,
    cursor: { points: { size: 7 }, drag: { x: false, y: false } },
    scales: { y: { range: { min: { pad: 0.1, soft: 0, mode: 1 }, max: { pad: 0.15 } } } },
    axes: [
      {
        ...axis,
        values: (_plot: UPlot, splits: number[]) =>
          splits.map((s) => clockTime(s * 1000, language).slice(0, 5)),
      },
      { ...axis, size: 52 },
    ],
    series: [
      {
        label: texts.time,
        value: (_plot: UPlot, s: number | null) => (s === null ? '–' : dayTime(s * 1000, language)),
      },
      // Never joined over what was not measured.
      { label: texts.value, stroke: colour('--accent'), width: 1.8, spanGaps: false, value: figure },
      {
        label: texts.anomaly,
        stroke: colour('--critical'),
        fill: colour('--critical'),
        paths: () => null,
        points: { show: true, size: MAX_ANOMALY_PX, fill: colour('--critical') },
        value: figure,
      },
      { ...edge, label: `${texts.expected} ≤` },
      { ...edge, label: `${texts.expected} ≥` },
    ],
    bands: [{ series: [3, 4], fill: '#5cc8e81f' }],
  } satisfies UPlot.Options
}

/** A scored series: the line, the band that was expected, anomalies as dots, gaps as gaps. */
export function SeriesChart({ points, label, unit }: SeriesChartProps) {
  const { t, i18n } = useTranslation()
  const holder = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot>(undefined)
  const newest = useRef(points)
  newest.current = points
  const time = t('series.time')
  const value = t('series.value')
  const expected = t('series.expected')
  const anomaly = t('series.anomaly')

  useEffect(() => {
    const element = holder.current
    if (!element) return
    const chart = new UPlot(
      optionsFor({ time, value, expected, anomaly }, unit, i18n.language),
      chartColumns(newest.current),
      element,
    )
    plot.current = chart
    const fit = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT_PX }))
    fit.observe(element)
    return () => {
      fit.disconnect()
      chart.destroy()
      plot.current = undefined
    }
  }, [time, value, expected, anomaly, unit, i18n.language])

  useEffect(() => plot.current?.setData(chartColumns(points)), [points])

  return <div ref={holder} className={styles.chart} role="img" aria-label={label} />
}
