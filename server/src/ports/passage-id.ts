/** The name of a stored passage, for those who were shown it: opaque, the same for as long as the passage is stored. */

/** What tells a passage from every other. */
export interface PassagePlace {
  atMs: number
  /** As the store gives it back: InfluxDB has only its last six digits. */
  tieBreak: number
  edgeId: string
  deviceId: string
}

export function passageIdOf({ atMs, tieBreak, edgeId, deviceId }: PassagePlace): string {
  return Buffer.from(JSON.stringify([atMs, tieBreak, edgeId, deviceId])).toString('base64url')
}

/** `undefined` for a text that names no passage. */
export function passagePlaceOf(passageId: string): PassagePlace | undefined {
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(passageId, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
  if (!Array.isArray(parts) || parts.length !== 4) return undefined
  const [atMs, tieBreak, edgeId, deviceId] = parts as unknown[]
  const isPlace =
    isCount(atMs) && isCount(tieBreak) && typeof edgeId === 'string' && typeof deviceId === 'string'
  return isPlace ? { atMs, tieBreak, edgeId, deviceId } : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
