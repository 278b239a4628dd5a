import { useTranslation } from 'react-i18next'
import { MeasuringList } from '../../features/devices/measuring-list.tsx'
import styles from './page.module.css'

export function DevicesPage() {
  const { t } = useTranslation()
  return (
    <div className={styles.page}>
      <h1>{t('nav.devices')}</h1>
      <MeasuringList />
    </div>
  )
}
