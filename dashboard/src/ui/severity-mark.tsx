import type { Severity } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import styles from './severity-mark.module.css'

/** One outline a severity, so that it can be told without colour: octagon, triangle, diamond, circle. */
const OUTLINES: Readonly<Record<Severity, string>> = {
  critical: 'M5 1h6l4 4v6l-4 4H5l-4-4V5z',
  major: 'M8 1.5 15.5 15H.5z',
  minor: 'M8 .8 15.2 8 8 15.2.8 8z',
  info: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z',
}

export function SeverityShape({ severity }: { severity: Severity }) {
  return (
    <svg className={`${styles.shape} ${styles[severity]}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={OUTLINES[severity]} />
    </svg>
  )
}

/** Shape, colour and word. */
export function SeverityMark({ severity }: { severity: Severity }) {
  const { t } = useTranslation()
  return (
    <span className={`${styles.mark} ${styles[severity]}`}>
      <SeverityShape severity={severity} />
      {t(`severity.${severity}`)}
    </span>
  )
}
