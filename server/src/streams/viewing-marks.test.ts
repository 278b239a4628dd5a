import { describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import { type MarkConfig, marksAtOpening, type Opening, rulesOf } from './viewing-marks.ts'

const shipped: MarkConfig = loadConfig({ env: {} })
/** A Monday, 10:00 in China. */
const MONDAY = Date.UTC(2026, 10, 23, 2)

const usual: Opening = {
  atMs: MONDAY,
  viewer: { scope: '410502', isOnDuty: true, hours: [{ days: [1], from: '08:00', to: '18:00' }] },
  hasOccasion: false,
  camera: { region: '410502003', sensitivity: 'public' },
  camerasLately: 1,
  looksLately: 1,
}
const marks = (more: Partial<Opening>, config: Partial<MarkConfig> = {}) =>
  marksAtOpening({ ...usual, ...more }, { ...shipped, ...config })

describe('a viewing', () => {
  it('that is usual has no mark', () => {
    expect(marks({})).toEqual([])
    expect(marks({ hasOccasion: true, camera: { region: '410502', sensitivity: 'controlled' } })).toEqual([])
  })

  it.each([
    ['off-duty', { viewer: { ...usual.viewer, isOnDuty: false } }],
    ['out-of-hours', { atMs: MONDAY + 9 * 3_600_000 }],
    ['outside-scope', { camera: { region: '410503', sensitivity: 'public' } }],
    ['no-incident', { camera: { region: '410502', sensitivity: 'controlled' } }],
    ['restricted', { hasOccasion: true, camera: { region: '410502', sensitivity: 'restricted' } }],
    ['restricted', { hasOccasion: true, camera: { region: '410502', sensitivity: 'unheard of' } }],
  ] as const)('is marked %s', (mark, more) => {
    expect(marks(more)).toEqual([{ mark }])
  })

  it('is marked from the number on that is set, with what was counted', () => {
    expect(marks({ camerasLately: 7, looksLately: 5 })).toEqual([])
    expect(marks({ camerasLately: 9, looksLately: 6 })).toEqual([
      { mark: 'many-cameras', found: 9, allowed: 8 },
      { mark: 'repeated', found: 6, allowed: 6 },
    ])
  })

  it('is not marked by a rule that is off', () => {
    const off = {
      markNoIncidentFrom: 'never',
      markManyCameras: 0,
      markRepeatedLooks: 0,
      markLongMinutes: 0,
    } as const
    const camera = { region: '410502', sensitivity: 'controlled' }
    expect(marks({ camera, camerasLately: 900, looksLately: 900 }, off)).toEqual([])
    expect(rulesOf({ ...shipped, ...off }).filter(({ isOn }) => !isOn)).toMatchObject([
      { mark: 'no-incident' },
      { mark: 'many-cameras' },
      { mark: 'repeated' },
      { mark: 'long' },
    ])
    expect(marks({}, { markNoIncidentFrom: 'public' })).toEqual([{ mark: 'no-incident' }])
  })
})
