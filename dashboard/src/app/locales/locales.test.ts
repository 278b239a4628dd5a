import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { en } from './en.ts'
import { zhCN } from './zh-CN.ts'

interface Texts {
  [key: string]: string | Texts
}

function flat(texts: Texts, prefix = ''): Map<string, string> {
  const all = new Map<string, string>()
  for (const [key, value] of Object.entries(texts)) {
    if (typeof value === 'string') all.set(prefix + key, value)
    else for (const [inner, text] of flat(value, `${prefix}${key}.`)) all.set(inner, text)
  }
  return all
}

const english = flat(en)
const chinese = flat(zhCN)
const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort()

/** Keys that stand in the source as plain text; those put together at run time are not among them. */
function usedKeys(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.includes('.test.') && !name.includes('locales'))
    .flatMap((name) => [...readFileSync(join(folder, name), 'utf8').matchAll(/\bt\(\s*'([^']+)'/g)])
    .map((match) => match[1]!)
}

describe('the texts of the screen', () => {
  it('are there in both languages under the same keys', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort())
  })

  it('take the same values in both languages', () => {
    for (const [key, text] of english) {
      expect(placeholders(chinese.get(key) ?? ''), key).toEqual(placeholders(text))
    }
  })

  it('are never empty', () => {
    for (const [key, text] of [...english, ...chinese]) expect(text.trim(), key).not.toBe('')
  })

  it('exist for every key that the screen asks for', () => {
    const used = usedKeys(join(import.meta.dirname, '../..'))
    expect(used.length).toBeGreaterThan(100)
    expect(used.filter((key) => !english.has(key))).toEqual([])
  })

  it('speak Chinese in Chinese', () => {
    const untranslated = [...chinese].filter(
      ([key, text]) => text === english.get(key) && /[a-z]{4}/i.test(text),
    )
    expect(untranslated).toEqual([])
  })
})
