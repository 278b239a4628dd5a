import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { viewingRulesQuery } from '../../lib/queries.ts'
import styles from './rules-note.module.css'

/** By what viewings are marked, with the numbers that are set now. */
export function RulesNote() {
  const { t } = useTranslation()
  const { data } = useQuery(viewingRulesQuery)
  return (
    <details className={styles.note}>
      <summary>{t('audit.rules')}</summary>
      <p>{t('audit.rulesHelp')}</p>
      <dl>
        {data?.items.map(({ mark, isOn, allowed, withinMinutes, fromSensitivity }) => (
          <div key={mark}>
            <dt>{t(`viewingMark.${mark}`)}</dt>
            <dd>
              {isOn
                ? t(`viewingRule.${mark}`, {
                    allowed,
                    minutes: withinMinutes,
                    hours: withinMinutes === undefined ? undefined : withinMinutes / 60,
                    sensitivity: fromSensitivity === undefined ? '' : t(`sensitivity.${fromSensitivity}`),
                  })
                : t('audit.ruleOff')}
            </dd>
          </div>
        ))}
      </dl>
    </details>
  )
}
