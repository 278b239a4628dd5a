/** 简体中文 and English: chosen by the browser's language at first, remembered once somebody chooses. */
import { createInstance, type i18n } from 'i18next'
import { initReactI18next } from 'react-i18next'
import { readChoice, rememberChoice } from '../lib/stored-choice.ts'
import { en } from './locales/en.ts'
import { zhCN } from './locales/zh-CN.ts'

export const LANGUAGES = ['zh-CN', 'en'] as const
export type Language = (typeof LANGUAGES)[number]

/** The first of the browser's languages that we have; English if none. */
export function languageFor(preferred: readonly string[]): Language {
  for (const language of preferred) {
    if (/^zh\b/i.test(language)) return 'zh-CN'
    if (/^en\b/i.test(language)) return 'en'
  }
  return 'en'
}

function firstLanguage(): Language {
  const chosen = readChoice('language')
  return LANGUAGES.find((language) => language === chosen) ?? languageFor(navigator.languages)
}

export async function startI18n(): Promise<i18n> {
  const instance = createInstance()
  const apply = (language: string) => {
    document.documentElement.lang = language
    rememberChoice('language', language)
  }
  await instance.use(initReactI18next).init({
    lng: firstLanguage(),
    fallbackLng: 'en',
    resources: { en: { translation: en }, 'zh-CN': { translation: zhCN } },
    // React escapes what it renders.
    interpolation: { escapeValue: false },
  })
  document.documentElement.lang = instance.language
  instance.on('languageChanged', apply)
  return instance
}
