import { useTranslation } from 'react-i18next'
import { StateMark } from './state-mark.tsx'

/** Stands wherever something of an exercise is shown. */
export function DrillMark() {
  const { t } = useTranslation()
  return <StateMark tone="accent">{t('drill.mark')}</StateMark>
}
