import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { covers, levelOf, selfAndAncestors } from './region.ts'

const digits = (length: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: length, maxLength: length }).map((d) => d.join(''))
const code = fc.constantFrom(4, 6, 9, 12, 15).chain(digits)

describe('division codes', () => {
  it('have a level by their length, and none otherwise', () => {
    expect(levelOf('4105')).toBe('city')
    expect(levelOf('410502')).toBe('county')
    expect(levelOf('410502003')).toBe('township')
    expect(levelOf('410502003201')).toBe('village')
    expect(levelOf('410502003201001')).toBe('grid')
    for (const wrong of ['', '4', '41050', '4105020', '41050a', ' 4105', '-105']) {
      expect(levelOf(wrong), wrong).toBeUndefined()
    }
  })

  it('cover themselves and what lies inside, never what lies around or beside', () => {
    expect(covers('4105', '410502003')).toBe(true)
    expect(covers('410502', '410502')).toBe(true)
    expect(covers('410502', '4105')).toBe(false)
    expect(covers('410502', '410503001')).toBe(false)
    expect(covers('41050', '410502'), 'a scope that is no code covers nothing').toBe(false)
    expect(covers('', '4105')).toBe(false)
  })

  it('cover exactly those regions of whose ancestors they are one', () => {
    fc.assert(
      fc.property(code, code, (scope, region) => {
        expect(covers(scope, region)).toBe(selfAndAncestors(region).includes(scope))
      }),
      { examples: [['4105', '410502003']] },
    )
  })

  it('list their ancestors widest first, ending with themselves', () => {
    fc.assert(
      fc.property(code, (region) => {
        const chain = selfAndAncestors(region)
        expect(chain.at(-1)).toBe(region)
        for (const [index, ancestor] of chain.entries()) {
          expect(levelOf(ancestor)).toBeDefined()
          if (index > 0) expect(ancestor.startsWith(chain[index - 1]!)).toBe(true)
        }
      }),
    )
  })
})
