import type { Incident } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { type IncidentFilter, incidentsQuery } from '../../lib/queries.ts'
import { ruleLabel } from '../../lib/reason.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { DrillMark } from '../../ui/drill-mark.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { SeverityMark } from '../../ui/severity-mark.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { TabRow } from '../../ui/tab-row.tsx'
import { AgeText } from '../../ui/time-text.tsx'
import styles from './incident-list.module.css'
import { INCIDENT_TONES } from './incident-tone.ts'

function IncidentItem({ incident }: { incident: Incident }) {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const state = t(`state.${incident.state}`)
  const rule = ruleLabel(incident.rule, t)
  const name = `${incident.number} ${rule}, ${incident.deviceName}, ${state}`
  return (
    <li>
      <Link to={`/incidents/${incident.incidentId}`} className={styles.link} aria-label={name}>
        <div className={styles.line}>
          <SeverityMark severity={incident.severity} />
          <strong>{rule}</strong>
          {incident.isDrill ? <DrillMark /> : null}
          <span className={styles.end}>
            <StateMark tone={INCIDENT_TONES[incident.state]}>{state}</StateMark>
          </span>
        </div>
        <div className={styles.line}>
          <span className={styles.device}>{incident.deviceName}</span>
          <span className={styles.place}>{regionName(incident.region)}</span>
        </div>
        <div className={styles.foot}>
          <span className={styles.number}>{incident.number}</span>
          <span>{t('incident.alertCount', { value: incident.alertCount })}</span>
          <span className={styles.end}>
            <AgeText atMs={incident.openedAtMs} />
          </span>
        </div>
      </Link>
    </li>
  )
}

/** Incidents that somebody has to work on, and those that are over. */
export function IncidentList() {
  const { t } = useTranslation()
  const [filter, setFilter] = useState<IncidentFilter>('open')
  const { data, error, isPending, refetch } = useQuery(incidentsQuery(filter))
  const tabs = [
    { value: 'open', label: t('incidents.open') },
    { value: 'ended', label: t('incidents.ended') },
  ] as const
  return (
    <Panel
      title={t('incidents.title')}
      scrolls
      aside={<TabRow label={t('incidents.title')} tabs={tabs} chosen={filter} onChoose={setFilter} />}
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data?.items.length === 0 ? <EmptyNote>{t(`incidents.none.${filter}`)}</EmptyNote> : null}
      <ul className={styles.list} aria-label={t('incidents.title')}>
        {data?.items.map((incident) => (
          <IncidentItem key={incident.incidentId} incident={incident} />
        ))}
      </ul>
    </Panel>
  )
}
