import { expect, it } from 'vitest'
import { namesOf, regionName } from './region-name.ts'

const names = namesOf([
  { code: '4105', name: '安阳市' },
  { code: '410502', name: '文峰区' },
  { code: '410502003', name: '东大街街道' },
])

it.each([
  ['4105', '安阳市'],
  ['410502', '安阳市 · 文峰区'],
  ['410502003', '文峰区 · 东大街街道'],
  ['410502003001', '文峰区 · 东大街街道 · 001'],
  ['410503', '安阳市 · 03'],
  ['4106', '4106'],
])('%s is shown as %s', (code, text) => {
  expect(regionName(code, names)).toBe(text)
})
