import { useTranslation } from 'react-i18next'
import { ageOf, clockTime, dayTime, fullTime } from '../lib/time.ts'
import { useNowMs } from '../lib/use-now.ts'

const FORMS = { clock: clockTime, day: dayTime, full: fullTime } as const

/** An instant in the viewer's zone; the tooltip has the whole date. */
export function TimeText({ atMs, form = 'day' }: { atMs: number; form?: keyof typeof FORMS }) {
  const { i18n } = useTranslation()
  return (
    <time dateTime={new Date(atMs).toISOString()} title={fullTime(atMs)}>
      {FORMS[form](atMs, i18n.language)}
    </time>
  )
}

/** How long ago, kept up to date. */
export function AgeText({ atMs }: { atMs: number }) {
  const { t } = useTranslation()
  const { value, unit } = ageOf(atMs, useNowMs())
  return <>{t(`age.${unit}`, { value })}</>
}
