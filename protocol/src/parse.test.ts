import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AlertRecord, RECORD_SCHEMAS } from './messages/record.ts'
import { Batch } from './messages/uplink.ts'
import { jsonParser, parser } from './parse.ts'

const alert = {
  kind: 'alert',
  alertId: '6f9619ff-8b86-4011-b42d-00cf4fc964ff',
  atMs: 1_760_000_000_000,
  deviceId: 'cam-1',
  deviceKind: 'camera',
  region: '410502003',
  rule: 'intrusion',
  ruleName: 'river bank',
  severity: 'major',
  score: 0.8,
  reason: 'A person entered the zone river bank.',
  facts: { seconds: 0.6, className: 'person' },
  objects: [{ trackId: 1, className: 'person', score: 0.8, boxNorm: [0.1, 0.2, 0.3, 0.4], isSubject: true }],
  trackPath: [[0.2, 0.4]],
  evidenceIds: [],
}

describe('parsing at the border', () => {
  it('accepts a record and hands it back unchanged', () => {
    expect(parser(AlertRecord)(alert)).toEqual({ ok: true, value: alert })
  })

  it('names every place that does not fit', () => {
    const parsed = parser(AlertRecord)({
      ...alert,
      region: '41050',
      objects: [{ ...alert.objects[0], score: 2 }],
    })
    expect(parsed.ok).toBe(false)
    const problems = parsed.ok ? [] : parsed.problems
    expect(problems.some((p) => p.startsWith('/region:'))).toBe(true)
    expect(problems.some((p) => p.startsWith('/objects/0/score:'))).toBe(true)
  })

  it('refuses a box outside the picture, an unknown field and a seq that is no number', () => {
    const parse = parser(AlertRecord)
    expect(parse({ ...alert, objects: [{ ...alert.objects[0], boxNorm: [0, 0, 1.2, 1] }] }).ok).toBe(false)
    expect(parse({ ...alert, face: 'x' }).ok).toBe(false)
    expect(parser(Batch)({ epoch: alert.alertId, firstSeq: '1', records: [] }).ok).toBe(false)
  })

  it('bounds the facts of an alert: how many, their names and what they hold', () => {
    const parse = parser(AlertRecord)
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`fact${index}`, index]))
    for (const facts of [many, { ['x'.repeat(41)]: 1 }, { 'a\nb': { anything: [] } }, { list: [] }]) {
      expect(parse({ ...alert, facts }).ok, JSON.stringify(facts).slice(0, 60)).toBe(false)
    }
  })

  it('answers arbitrary text with a value or a problem, never with an exception', () => {
    const parsers = [jsonParser(Batch), ...Object.values(RECORD_SCHEMAS).map((schema) => jsonParser(schema))]
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        for (const parse of parsers) {
          const parsed = parse(text)
          if (!parsed.ok) expect(parsed.problems.length).toBeGreaterThan(0)
        }
      }),
    )
  })
})
