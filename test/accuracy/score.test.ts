import { describe, expect, it } from 'vitest'
import { ANNOTATIONS, type AnnotatedClip } from './annotations.ts'
import { quietSeconds, scoreClip } from './score.ts'

const clip: AnnotatedClip = {
  clip: 'a',
  seconds: 100,
  rules: [
    { name: 'gate', kind: 'intrusion' },
    { name: 'fog', kind: 'blurred' },
  ],
  events: [
    { rule: 'gate', fromSeconds: 10, toSeconds: 20, what: 'a fox' },
    { rule: 'gate', fromSeconds: 22, toSeconds: 30, what: 'another' },
  ],
  unsure: [{ rule: 'gate', fromSeconds: 60, toSeconds: 70 }],
}
const at = (rule: string, ...times: number[]) => times.map((atSeconds) => ({ rule, atSeconds }))

describe('the score of alerts', () => {
  it('counts what was found, said again and wrong, a rule', () => {
    const scores = scoreClip(clip, [...at('gate', 11, 12, 21, 50, 65), ...at('fog', 15)])
    expect(scores.get('gate')).toEqual({ events: 2, found: 2, repeats: 1, wrong: 1 })
    expect(scores.get('fog')).toEqual({ events: 0, found: 0, repeats: 0, wrong: 1 })
    expect(scoreClip(clip, []).get('gate')).toEqual({ events: 2, found: 0, repeats: 0, wrong: 0 })
  })

  it('knows how long nothing happens, where spans touch as well', () => {
    expect(quietSeconds(clip, 'fog')).toBe(100)
    expect(quietSeconds(clip, 'gate')).toBe(100 - 23 - 13)
  })

  it('has annotations that name rules of their clip and lie inside it', () => {
    for (const { rules, events, unsure, seconds } of ANNOTATIONS) {
      const names = rules.map(({ name }) => name)
      expect(new Set(names).size).toBe(names.length)
      for (const { rule, fromSeconds, toSeconds } of [...events, ...unsure]) {
        expect(names).toContain(rule)
        expect(fromSeconds).toBeLessThan(toSeconds)
        expect(toSeconds).toBeLessThanOrEqual(seconds)
      }
    }
  })
})
