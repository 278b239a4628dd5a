import { useTranslation } from 'react-i18next'
import { AlertList } from '../../features/alerts/alert-list.tsx'
import { DeviceList } from '../../features/devices/device-list.tsx'
import { IncidentList } from '../../features/incidents/incident-list.tsx'
import { useMay } from '../../lib/session.ts'
import styles from './control-room-page.module.css'

/** What happens now, what is being worked on, and with what we see. */
export function ControlRoomPage() {
  const { t } = useTranslation()
  const may = useMay()
  return (
    <div className={styles.page}>
      <h1 className="unseen">{t('nav.room')}</h1>
      {may('alert.read') ? <AlertList /> : null}
      {may('incident.read') ? <IncidentList /> : null}
      {may('device.read') ? <DeviceList /> : null}
    </div>
  )
}
