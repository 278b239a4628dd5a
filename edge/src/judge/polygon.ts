import type { NormPoint } from '@patrolhub/protocol'

/**
 * True if the point lies inside the polygon or on its border. `corners` are in order, the last is joined to the
 * first; a polygon that crosses itself is read by the even-odd rule.
 */
export function isInside([x, y]: NormPoint, corners: readonly NormPoint[]): boolean {
  let inside = false
  for (let index = 0; index < corners.length; index += 1) {
    const [ax, ay] = corners[index]!
    const [bx, by] = corners[(index + 1) % corners.length]!
    const cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
    const isBetween =
      x >= Math.min(ax, bx) && x <= Math.max(ax, bx) && y >= Math.min(ay, by) && y <= Math.max(ay, by)
    if (isBetween && Math.abs(cross) < 1e-12) return true
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside
  }
  return inside
}
