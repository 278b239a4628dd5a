import type { EdgeHealth } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import styles from './admin.module.css'

/** Beyond these somebody should look. */
const LITTLE_DISK = 0.1
const HOT_C = 80
const CLOCK_OFF_MS = 2000

/** What an edge last said of its box, what is not as it should be marked. */
export function EdgeHealthFigures({ health }: { health: EdgeHealth }) {
  const { t } = useTranslation()
  const { box, hubClock, journalRecords } = health
  const offsetMs = hubClock && Math.abs(hubClock.offsetMs) > hubClock.errorMs ? hubClock.offsetMs : 0
  const figures = [
    box && { text: t('admin.boxCpu', { value: Math.round(box.cpuPercent) }), isBad: box.cpuPercent > 95 },
    box?.diskFreeMb !== undefined && {
      text: t('admin.boxDisk', { value: (box.diskFreeMb / 1024).toFixed(1) }),
      isBad: box.diskFreeMb < LITTLE_DISK * (box.diskTotalMb ?? 0),
    },
    box?.temperatureC !== undefined && {
      text: t('admin.boxTemperature', { value: Math.round(box.temperatureC) }),
      isBad: box.temperatureC >= HOT_C,
    },
    Math.abs(offsetMs) >= 100 && {
      text: t('admin.boxClock', { value: (offsetMs / 1000).toFixed(1) }),
      isBad: Math.abs(offsetMs) >= CLOCK_OFF_MS,
    },
    journalRecords > 0 && { text: t('admin.boxJournal', { value: journalRecords }), isBad: false },
  ].filter((figure) => typeof figure === 'object')
  return (
    <ul className={styles.figures}>
      {figures.map(({ text, isBad }) => (
        <li key={text} className={isBad ? styles.warning : undefined}>
          {text}
        </li>
      ))}
    </ul>
  )
}
