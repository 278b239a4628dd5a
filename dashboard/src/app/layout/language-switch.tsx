import { useTranslation } from 'react-i18next'
import { LANGUAGES } from '../i18n.ts'
import styles from './language-switch.module.css'

/** Each language by its own name, so that nobody has to read the other one to get out of it. */
const NAMES = { 'zh-CN': '中文', en: 'EN' } as const
const FULL_NAMES = { 'zh-CN': '简体中文', en: 'English' } as const

export function LanguageSwitch() {
  const { t, i18n } = useTranslation()
  return (
    <fieldset className={styles.switch} aria-label={t('app.language')}>
      {LANGUAGES.map((language) => (
        <button
          key={language}
          type="button"
          lang={language}
          aria-label={FULL_NAMES[language]}
          aria-pressed={i18n.language === language}
          onClick={() => void i18n.changeLanguage(language)}
        >
          {NAMES[language]}
        </button>
      ))}
    </fieldset>
  )
}
