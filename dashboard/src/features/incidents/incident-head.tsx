import type { Incident } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { ruleLabel } from '../../lib/reason.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { DrillMark } from '../../ui/drill-mark.tsx'
import { Icon } from '../../ui/icon.tsx'
import { SeverityMark } from '../../ui/severity-mark.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { AgeText, TimeText } from '../../ui/time-text.tsx'
import styles from './incident-head.module.css'
import { INCIDENT_TONES } from './incident-tone.ts'

/** What it is, where, since when and how it stands: readable from across the room. */
export function IncidentHead({ incident }: { incident: Incident }) {
  const { t } = useTranslation()
  const regionName = useRegionName()
  return (
    <header className={styles.head}>
      <Link to="/" className={styles.back}>
        <Icon name="back" sizePx={16} />
        {t('nav.room')}
      </Link>
      <div className={styles.title}>
        <SeverityMark severity={incident.severity} />
        <h1>
          {ruleLabel(incident.rule, t)} · {incident.deviceName}
        </h1>
        <span role="status" aria-label={t('incident.state')}>
          <StateMark tone={INCIDENT_TONES[incident.state]}>{t(`state.${incident.state}`)}</StateMark>
        </span>
        {incident.isDrill ? <DrillMark /> : null}
      </div>
      <p className={styles.facts}>
        <span className={styles.number}>{incident.number}</span>
        <span>{regionName(incident.region)}</span>
        <span>
          {t('incident.opened')} <TimeText atMs={incident.openedAtMs} /> (
          <AgeText atMs={incident.openedAtMs} />)
        </span>
        <span>{t('incident.alertCount', { value: incident.alertCount })}</span>
      </p>
    </header>
  )
}
