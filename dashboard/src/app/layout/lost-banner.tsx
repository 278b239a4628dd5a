import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useLiveState } from '../../lib/use-live.ts'
import styles from './lost-banner.module.css'

/** A short break mends itself; a longer one is said aloud. */
const PATIENCE_MS = 3_000

/** Says plainly that what is on the screen is not the present any more. */
export function LostBanner() {
  const { t } = useTranslation()
  const isLost = useLiveState() === 'lost'
  const [isShown, setShown] = useState(false)
  useEffect(() => {
    if (!isLost) {
      setShown(false)
      return
    }
    const timer = setTimeout(() => setShown(true), PATIENCE_MS)
    return () => clearTimeout(timer)
  }, [isLost])
  if (!isShown) return null
  return (
    <p role="alert" className={styles.banner}>
      {t('connection.lostHelp')}
    </p>
  )
}
