import type { ViewingMark } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { StateMark, type Tone } from '../../ui/state-mark.tsx'
import styles from './mark-list.module.css'

/** Worth knowing, as against worth asking about. */
const TONES: Partial<Record<ViewingMark['mark'], Tone>> = { restricted: 'dim', 'no-incident': 'dim' }

/** What stands out about a viewing, each with its reason. */
export function MarkList({ marks }: { marks: readonly ViewingMark[] }) {
  const { t } = useTranslation()
  if (marks.length === 0) return null
  return (
    <ul className={styles.list}>
      {marks.map(({ mark, found, allowed }) => (
        <li key={mark}>
          <StateMark tone={TONES[mark] ?? 'warn'}>{t(`viewingMark.${mark}`)}</StateMark>
          <span className={styles.reason}>{t(`viewingReason.${mark}`, { found, allowed })}</span>
        </li>
      ))}
    </ul>
  )
}
