/** Which keys are in the ring, and how much lies under each: when an old one may go. */
import type { PlateKeyRing } from '../access/plate-keys.ts'
import type { PlateKeyUse, PlateStore } from '../ports/plate-store.ts'

export interface VersionUse {
  version: number
  isInRing: boolean
  isCurrent: boolean
  passages: number
  oldestMs: number | null
  newestMs: number | null
  /** Edges whose passages lie under it, the one that used it last first. */
  edges: { edgeId: string; passages: number; newestMs: number }[]
}

/** Every version that is in the ring or in the store, ascending. */
export async function keyUse(plates: PlateStore, ring: PlateKeyRing): Promise<VersionUse[]> {
  const byVersion = Map.groupBy(await plates.use(), ({ version }) => version)
  const versions = [...new Set([...ring.versions, ...byVersion.keys()])].sort((a, b) => a - b)
  return versions.map((version) => versionUse(version, byVersion.get(version) ?? [], ring))
}

function versionUse(version: number, uses: readonly PlateKeyUse[], ring: PlateKeyRing): VersionUse {
  return {
    version,
    isInRing: ring.has(version),
    isCurrent: version === ring.current,
    passages: uses.reduce((sum, { passages }) => sum + passages, 0),
    oldestMs: uses.length === 0 ? null : Math.min(...uses.map(({ oldestMs }) => oldestMs)),
    newestMs: uses.length === 0 ? null : Math.max(...uses.map(({ newestMs }) => newestMs)),
    edges: uses
      .map(({ edgeId, passages, newestMs }) => ({ edgeId, passages, newestMs }))
      .sort((a, b) => b.newestMs - a.newestMs),
  }
}
