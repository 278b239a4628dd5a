import type { Alert } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { ruleLabel, seriesLabel, unitLabel } from '../lib/reason.ts'
import styles from './signal-figure.module.css'

const rounded = (value: number): number => Math.round(value * 10) / 10

/**
 * In place of a picture: the value that was measured, and where it lies against the band that was expected. The band
 * takes the middle third; a value further off than one band's width stands at the edge. Of what has no band, the rule
 * and the speed if there is one.
 */
export function SignalFigure({ alert }: { alert: Pick<Alert, 'rule' | 'facts' | 'severity'> }) {
  const { t } = useTranslation()
  const { series, value, expectedLow, expectedHigh, unit, speedKmh } = alert.facts
  if (typeof value !== 'number' || typeof expectedLow !== 'number' || typeof expectedHigh !== 'number') {
    return (
      <div className={`${styles.figure} ${styles[alert.severity]}`}>
        <span className={styles.series}>{ruleLabel(alert.rule, t)}</span>
        {typeof speedKmh === 'number' ? (
          <span className={styles.value}>
            {Math.round(speedKmh)}
            <small> {unitLabel('km/h', t)}</small>
          </span>
        ) : null}
      </div>
    )
  }
  const width = Math.max(expectedHigh - expectedLow, Number.EPSILON)
  const place = Math.min(1, Math.max(0, ((value - expectedLow) / width + 1) / 3))
  return (
    <div className={`${styles.figure} ${styles[alert.severity]}`}>
      <span className={styles.series}>{typeof series === 'string' ? seriesLabel(series, t) : ''}</span>
      <span className={styles.value}>
        {rounded(value)}
        {typeof unit === 'string' && unit !== '' ? <small> {unitLabel(unit, t)}</small> : null}
      </span>
      <span className={styles.scale} aria-hidden="true">
        <span className={styles.band} />
        <span className={styles.mark} style={{ left: `${place * 100}%` }} />
      </span>
      <span className={styles.series}>
        {t('series.expected')} {rounded(expectedLow)}–{rounded(expectedHigh)}
      </span>
    </div>
  )
}
