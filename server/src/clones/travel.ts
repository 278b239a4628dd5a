/** Whether one vehicle can have been at two places. Pure. */

export interface Place {
  latitude: number
  longitude: number
}

/** IUGG mean radius. */
const EARTH_KM = 6371.009
const HOUR_MS = 3_600_000

/** Great-circle distance by the haversine formula, km. WGS 84; its flattening makes less than 0.6 %. */
export function distanceKm(a: Place, b: Place): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180
  const north = Math.sin(radians(b.latitude - a.latitude) / 2) ** 2
  const east = Math.sin(radians(b.longitude - a.longitude) / 2) ** 2
  const both = north + Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * east
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(both)))
}

export interface TravelBounds {
  /** Nobody goes faster in a straight line for long. */
  maxKmh: number
  /** What the clocks of two devices may differ by. */
  clockMs: number
}

/** True if nobody gets that far in that time, whatever the clocks say within their bounds. */
export function isImpossible(km: number, passedMs: number, { maxKmh, clockMs }: TravelBounds): boolean {
  return Math.abs(passedMs) + clockMs < (km / maxKmh) * HOUR_MS
}
