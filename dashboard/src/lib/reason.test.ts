import type { Alert } from '@patrolhub/protocol'
import { createInstance, type TFunction } from 'i18next'
import { beforeAll, describe, expect, it } from 'vitest'
import { en } from '../app/locales/en.ts'
import { zhCN } from '../app/locales/zh-CN.ts'
import { reasonText, ruleLabel, seriesLabel } from './reason.ts'

const intrusion = {
  rule: 'intrusion',
  ruleName: 'Lawn',
  reason: 'A person has been inside “Lawn” of Square for 2.4 s (limit 0.5 s, detector 91 % sure).',
  facts: { className: 'person', secondsInZone: 2.44, minSeconds: 0.5 },
}
const anomaly = {
  rule: 'signal-anomaly',
  ruleName: 'flow',
  reason: 'Flow is low.',
  facts: { series: 'flow', value: 2, expectedLow: 11.26, expectedHigh: 19, unit: 'vehicles/min' },
}

let chinese: TFunction
let english: TFunction
beforeAll(async () => {
  const resources = { en: { translation: en }, 'zh-CN': { translation: zhCN } }
  const instance = createInstance()
  await instance.init({ lng: 'en', resources, interpolation: { escapeValue: false } })
  english = instance.getFixedT('en')
  chinese = instance.getFixedT('zh-CN')
})

describe('reasonText', () => {
  it('says an intrusion in the language of the reader', () => {
    expect(reasonText(intrusion, chinese)).toBe('人员进入“Lawn”已 2.4 秒')
    expect(reasonText(intrusion, english)).toBe('Person in “Lawn” for 2.4 s')
  })

  it('leaves the duration out when there is none', () => {
    const alert = { ...intrusion, facts: { className: 'person', secondsInZone: 0 } }
    expect(reasonText(alert, english)).toBe('Person in “Lawn”')
  })

  it('says whether a value lies below, above or inside what was expected', () => {
    const withValue = (value: number) => ({ ...anomaly, facts: { ...anomaly.facts, value } })
    expect(reasonText(anomaly, english)).toBe(
      'Flow 2 vehicles/min is below the expected 11.3 to 19 vehicles/min',
    )
    expect(reasonText(withValue(30), chinese)).toBe('车流量 30 辆/分，高于预期 11.3 至 19 辆/分')
    expect(reasonText(withValue(15), english)).toContain('unusual')
  })

  it('says why a value is odd, and leaves out what it does not know', () => {
    const because = (why: string) => ({ ...anomaly, facts: { ...anomaly.facts, why } })
    expect(reasonText(because('level-shift'), english)).toBe(
      'Flow 2 vehicles/min is below the expected 11.3 to 19 vehicles/min: the level has shifted',
    )
    expect(reasonText(because('unusual-hour'), chinese)).toBe(
      '车流量 2 辆/分，低于预期 11.3 至 19 辆/分：与平时此时段不同',
    )
    expect(reasonText(because('of-a-later-version'), english)).toBe(reasonText(anomaly, english))
  })

  it('says every rule of a camera in both languages, with the number of objects where there are more', () => {
    const facts = {
      'line-crossing': { className: 'person', direction: 'left', objectsSinceLastAlert: 3 },
      loitering: { className: 'person', secondsInZone: 61.24 },
      crowding: { count: 9, minCount: 8 },
      'wrong-way': { className: 'car' },
      'stopped-vehicle': { className: 'truck', secondsInZone: 30 },
      running: { className: 'person' },
      scatter: { count: 5, minCount: 4 },
      'left-object': { seconds: 30 },
      'removed-object': { seconds: 30 },
      covered: { seconds: 5 },
      blurred: { seconds: 15 },
      frozen: { seconds: 60 },
      'moved-camera': { seconds: 10 },
      'lost-signal': { seconds: 30, why: 'nothing listens at this address' },
    }
    const said = Object.entries(facts).flatMap(([rule, each]) => {
      const alert = { rule, ruleName: 'Lawn', reason: 'the edge’s own words', facts: each as Alert['facts'] }
      expect(ruleLabel(rule, english)).not.toBe(rule)
      expect(ruleLabel(rule, chinese)).toMatch(/[\u4e00-\u9fff]/)
      return [reasonText(alert, english), reasonText(alert, chinese)]
    })
    expect(said.filter((text) => text.includes('{{') || text.startsWith('reason.'))).toEqual([])
    expect(said).not.toContain('the edge’s own words')
    expect(said[0]).toBe('Person crossed “Lawn” to the left; 3 objects since the last alert')
    expect(said[1]).toBe('人员向左越过“Lawn”；自上次告警以来共 3 个目标')
    expect(said[3]).toBe('人员在“Lawn”停留已 61.2 秒')
  })

  it('says every rule of traffic in both languages, a wrong way as that of a passage', () => {
    const facts = {
      speeding: { lane: 2, speedKmh: 83.4, limitKmh: 60, objectsSinceLastAlert: 4 },
      'wrong-way': { lane: 1, direction: 'south', objectsSinceLastAlert: 1 },
      queue: { speedKmh: 9, usualKmh: 52, perMinute: 11, seconds: 60 },
      'cloned-plate': { lane: 1, otherName: 'Gate W', distanceKm: 22.24, seconds: 120, order: 'before' },
      'lane-blocked': { lane: 3, seconds: 240, elsewhere: 61, usualPercent: 30 },
    }
    const said = Object.entries(facts).map(([rule, each]) => {
      const alert = { rule, ruleName: 'lane', reason: 'the edge’s own words', facts: each as Alert['facts'] }
      expect(ruleLabel(rule, chinese)).toMatch(/[\u4e00-\u9fff]/)
      expect(reasonText({ ...alert, facts: {} }, english)).toBe('the edge’s own words')
      expect(reasonText(alert, chinese)).toMatch(/[\u4e00-\u9fff]/)
      return reasonText(alert, english)
    })
    expect(said).toEqual([
      '83.4 km/h in lane 2 (limit 60 km/h); 4 objects since the last alert',
      'A vehicle passed in lane 1 the wrong way (south)',
      'Vehicles have been queueing for 60 s: 9 km/h, 11 a minute; usually 52 km/h',
      'A plate in lane 1 that was at Gate W, 22.2 km away, 120 s before: suspected clone, or misread',
      'Nothing has passed in lane 3 for 240 s, 61 vehicles in the others: it is blocked, or its detector does not work',
    ])
  })

  it("keeps the edge's own sentence for a rule or a set of facts that it does not know", () => {
    const alerts: Pick<Alert, 'rule' | 'ruleName' | 'facts' | 'reason'>[] = [
      { ...intrusion, facts: {} },
      { ...anomaly, facts: { series: 'flow', value: 2 } },
      { ...anomaly, facts: { ...anomaly.facts, value: 'two' } },
      { ...intrusion, rule: 'teleportation' },
    ]
    for (const alert of alerts) expect(reasonText(alert, chinese)).toBe(alert.reason)
  })
})

describe('labels', () => {
  it('name an unknown rule by its code and an unknown quantity by its words', () => {
    expect(ruleLabel('teleportation', chinese)).toBe('teleportation')
    expect(seriesLabel('soil_moisture', english)).toBe('soil moisture')
  })

  it('know a class that no locale names', () => {
    const alert = { ...intrusion, facts: { className: 'giraffe' } }
    expect(reasonText(alert, english)).toBe('giraffe in “Lawn”')
  })
})
