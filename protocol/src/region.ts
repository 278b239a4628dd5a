/**
 * Administrative division codes (GB/T 2260 and the statistical codes below the county): a code is a prefix of
 * every code inside it, so "covers" is "starts with". 4 digits city, 6 county, 9 township, 12 village, 15 grid.
 */
import { type Static, Type } from 'typebox'

export const RegionCode = Type.String({
  pattern: '^\\d{4}(\\d{2}(\\d{3}(\\d{3}(\\d{3})?)?)?)?$',
  description: 'division code of 4, 6, 9, 12 or 15 digits',
})
export type RegionCode = Static<typeof RegionCode>

export type RegionLevel = 'city' | 'county' | 'township' | 'village' | 'grid'

const LEVEL_BY_LENGTH: Readonly<Record<number, RegionLevel>> = {
  4: 'city',
  6: 'county',
  9: 'township',
  12: 'village',
  15: 'grid',
}

/** The level of a code, or `undefined` if it is not 4, 6, 9, 12 or 15 digits. */
export function levelOf(code: string): RegionLevel | undefined {
  return /^\d+$/.test(code) ? LEVEL_BY_LENGTH[code.length] : undefined
}

/** True if `region` is `scope` itself or lies inside it. Both must be valid codes, otherwise false. */
export function covers(scope: string, region: string): boolean {
  return levelOf(scope) !== undefined && levelOf(region) !== undefined && region.startsWith(scope)
}

/** The code itself and every code around it, widest first: `410502003` gives `4105`, `410502`, `410502003`. */
export function selfAndAncestors(code: string): string[] {
  return [4, 6, 9, 12, 15].filter((length) => length <= code.length).map((length) => code.slice(0, length))
}
