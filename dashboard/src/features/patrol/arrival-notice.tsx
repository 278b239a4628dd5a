import type { Dispatch } from '@patrolhub/protocol'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'react-router'
import { chime } from '../../lib/chime.ts'
import { ruleLabel } from '../../lib/reason.ts'
import { useDispatchArrival } from '../../lib/use-live.ts'
import { Icon } from '../../ui/icon.tsx'
import styles from './patrol.module.css'

/** Pattern of a new dispatch in milliseconds, felt through a jacket. */
const VIBRATION_MS = [300, 120, 300, 120, 500]

/** On every patrol page: a new dispatch vibrates, sounds, is read out and leads to itself by one touch. */
export function ArrivalNotice() {
  const { t } = useTranslation()
  const { pathname } = useLocation()
  const [arrived, setArrived] = useState<Dispatch>()
  useDispatchArrival((dispatch) => {
    if (dispatch.state !== 'assigned') return
    setArrived(dispatch)
    chime(dispatch.incident.severity)
    // Not every browser has it, and none before the first touch.
    navigator.vibrate?.(VIBRATION_MS)
  })
  const to = arrived ? `/patrol/${arrived.dispatchId}` : ''
  const text = arrived
    ? t('patrol.announcement', {
        rule: ruleLabel(arrived.incident.rule, t),
        device: arrived.incident.deviceName,
      })
    : ''
  return (
    <div aria-live="assertive">
      {arrived && pathname !== to ? (
        <Link to={to} className={styles.arrival} onClick={() => setArrived(undefined)}>
          <Icon name="patrol" sizePx={22} />
          {text}
        </Link>
      ) : null}
    </div>
  )
}
