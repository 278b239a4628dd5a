import type { DispatchState } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { StateMark, type Tone } from './state-mark.tsx'

const TONES: Readonly<Record<DispatchState, Tone>> = {
  assigned: 'warn',
  acknowledged: 'accent',
  en_route: 'accent',
  on_scene: 'accent',
  closed: 'good',
}

export function DispatchStateMark({ state }: { state: DispatchState }) {
  const { t } = useTranslation()
  return <StateMark tone={TONES[state]}>{t(`dispatchState.${state}`)}</StateMark>
}
