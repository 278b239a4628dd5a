import { useTranslation } from 'react-i18next'
import { useLiveState } from '../../lib/use-live.ts'
import { StateDot } from '../../ui/state-mark.tsx'

const TONES = { live: 'good', connecting: 'warn', lost: 'bad' } as const

/** Says whether what is on the screen is the present. */
export function LiveMark() {
  const { t } = useTranslation()
  const state = useLiveState()
  return (
    <span role="status" aria-label={t('connection.label')}>
      <StateDot tone={TONES[state]}>{t(`connection.${state}`)}</StateDot>
    </span>
  )
}
