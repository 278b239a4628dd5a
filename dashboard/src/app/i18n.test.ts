import { expect, it } from 'vitest'
import { languageFor } from './i18n.ts'

it.each([
  [['zh-CN', 'en'], 'zh-CN'],
  [['zh'], 'zh-CN'],
  [['zh-Hans-CN'], 'zh-CN'],
  [['en-GB', 'zh-CN'], 'en'],
  [['de-DE', 'zh-CN', 'en'], 'zh-CN'],
  [['fr'], 'en'],
  [[], 'en'],
])('a browser that prefers %j starts in %s', (preferred, language) => {
  expect(languageFor(preferred)).toBe(language)
})
