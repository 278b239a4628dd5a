import type { Alert } from '@patrolhub/protocol'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { chime } from '../../lib/chime.ts'
import { alertsQuery } from '../../lib/queries.ts'
import { ruleLabel } from '../../lib/reason.ts'
import { useStoredSwitch } from '../../lib/stored-choice.ts'
import { useAlertArrival } from '../../lib/use-live.ts'
import { Button } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { OlderButton } from '../../ui/older-button.tsx'
import { Panel } from '../../ui/panel.tsx'
import { AlertItem } from './alert-item.tsx'
import styles from './alert-list.module.css'

/** How many arrivals keep their entrance; older ones are shown as any other. */
const MAX_ARRIVALS = 20

/** Alerts, newest first, as they come in. A new one slides in, is read out, and sounds if somebody asked for it. */
export function AlertList() {
  const { t } = useTranslation()
  const query = useInfiniteQuery(alertsQuery)
  const { data, error, isPending, refetch } = query
  const [arrived, setArrived] = useState<readonly Alert[]>([])
  const [hasSound, setSound] = useStoredSwitch('sound', false)
  useAlertArrival((alert) => {
    setArrived((before) => [alert, ...before].slice(0, MAX_ARRIVALS))
    if (hasSound) chime(alert.severity)
  })

  const newest = arrived[0]
  const alerts = data?.pages.flatMap((page) => page.items) ?? []
  return (
    <Panel
      title={t('alerts.title')}
      scrolls
      aside={
        <Button
          look="plain"
          aria-pressed={hasSound}
          onClick={() => {
            setSound(!hasSound)
            if (!hasSound) chime('info')
          }}
        >
          <Icon name={hasSound ? 'sound' : 'silent'} sizePx={16} />
          {hasSound ? t('alerts.soundOn') : t('alerts.soundOff')}
        </Button>
      }
    >
      <div className="unseen" aria-live="assertive" aria-atomic="true">
        {newest
          ? t('alerts.announcement', {
              severity: t(`severity.${newest.severity}`),
              rule: ruleLabel(newest.rule, t),
              device: newest.deviceName,
            })
          : ''}
      </div>
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data && alerts.length === 0 ? <EmptyNote>{t('alerts.none')}</EmptyNote> : null}
      <ul className={styles.list} aria-label={t('alerts.title')}>
        {alerts.map((alert) => (
          <AlertItem
            key={alert.alertId}
            alert={alert}
            isNew={arrived.some((item) => item.alertId === alert.alertId)}
          />
        ))}
      </ul>
      <OlderButton query={query} />
    </Panel>
  )
}
