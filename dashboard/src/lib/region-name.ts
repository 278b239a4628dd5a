import { type Region, selfAndAncestors } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { regionsQuery } from './queries.ts'

/**
 * The place in words, narrowest two known names (`Wenfeng · Dongdajie`); a code without any known name stays a code,
 * and a part that has no name of its own is shown by the digits it adds.
 */
export function regionName(code: string, names: ReadonlyMap<string, string>): string {
  const known = selfAndAncestors(code).filter((part) => names.has(part))
  const narrowest = known.at(-1)
  if (narrowest === undefined) return code
  const words = known.slice(-2).map((part) => names.get(part)!)
  return narrowest === code ? words.join(' · ') : `${words.join(' · ')} · ${code.slice(narrowest.length)}`
}

export function namesOf(regions: readonly Region[]): Map<string, string> {
  return new Map(regions.map((region) => [region.code, region.name]))
}

export function useRegionName(): (code: string) => string {
  const { data } = useQuery(regionsQuery)
  return useMemo(() => {
    const names = namesOf(data ?? [])
    return (code) => regionName(code, names)
  }, [data])
}
