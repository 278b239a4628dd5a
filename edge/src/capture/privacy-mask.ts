/**
 * Privacy masks as a filter of ffmpeg: black rectangles over everything that a polygon touches. Polygons are laid on a
 * grid, and a cell that a polygon touches anywhere is covered whole, so the mask is never smaller than what was drawn
 * and at most one cell larger. Rectangles in fractions of the picture fit any resolution, also one that changes. Pure.
 */
import type { NormPoint } from '@patrolhub/protocol'

export const MASK_COLUMNS = 128
export const MASK_ROWS = 72

/** In cells. */
interface Rectangle {
  x: number
  y: number
  width: number
  height: number
}

type Polygon = readonly NormPoint[]

/** The filter chain that covers the polygons, for pictures in a planar 8-bit format; empty without polygons. */
export function maskFilter(polygons: readonly Polygon[]): string {
  return maskRectangles(polygons)
    .map(({ x, y, width, height }) => {
      // One pixel more on every side, because fractions of pixels are cut off.
      const left = `iw*${x}/${MASK_COLUMNS}-1`
      const top = `ih*${y}/${MASK_ROWS}-1`
      const size = `w=iw*${width}/${MASK_COLUMNS}+3:h=ih*${height}/${MASK_ROWS}+3`
      return `drawbox=x=${left}:y=${top}:${size}:color=black:t=fill`
    })
    .join(',')
}

/** Rectangles over all cells that a polygon touches; rows that are covered alike share theirs. */
export function maskRectangles(polygons: readonly Polygon[]): Rectangle[] {
  const done: Rectangle[] = []
  let open: Rectangle[] = []
  for (let y = 0; y <= MASK_ROWS; y += 1) {
    const runs = y < MASK_ROWS ? runsOf(polygons, y) : []
    const isSame =
      runs.length === open.length &&
      runs.every((run, index) => run.x === open[index]!.x && run.width === open[index]!.width)
    if (isSame) for (const rectangle of open) rectangle.height += 1
    else {
      done.push(...open)
      open = runs
    }
  }
  return done
}

function runsOf(polygons: readonly Polygon[], y: number): Rectangle[] {
  const runs: Rectangle[] = []
  for (let x = 0; x < MASK_COLUMNS; x += 1) {
    if (!polygons.some((polygon) => touches(polygon, x, y))) continue
    const last = runs.at(-1)
    if (last && last.x + last.width === x) last.width += 1
    else runs.push({ x, y, width: 1, height: 1 })
  }
  return runs
}

/** True if the polygon and the cell have a point in common: an edge passes through the cell, or the cell lies inside. */
function touches(polygon: Polygon, x: number, y: number): boolean {
  const left = x / MASK_COLUMNS
  const top = y / MASK_ROWS
  const right = (x + 1) / MASK_COLUMNS
  const bottom = (y + 1) / MASK_ROWS
  return (
    polygon.some((corner, index) =>
      passes(corner, polygon[(index + 1) % polygon.length]!, left, top, right, bottom),
    ) || surrounds(polygon, (left + right) / 2, (top + bottom) / 2)
  )
}

/** Clips the edge to the rectangle (Liang and Barsky 1984); true if something is left. */
function passes(
  [ax, ay]: NormPoint,
  [bx, by]: NormPoint,
  left: number,
  top: number,
  right: number,
  bottom: number,
): boolean {
  let enter = 0
  let leave = 1
  for (const [step, room] of [
    [ax - bx, ax - left],
    [bx - ax, right - ax],
    [ay - by, ay - top],
    [by - ay, bottom - ay],
  ] as const) {
    if (step === 0) {
      if (room < 0) return false
    } else if (step < 0) enter = Math.max(enter, room / step)
    else leave = Math.min(leave, room / step)
  }
  return enter <= leave
}

/** Even-odd rule. */
function surrounds(polygon: Polygon, x: number, y: number): boolean {
  let isInside = false
  polygon.forEach(([ax, ay], index) => {
    const [bx, by] = polygon[(index + 1) % polygon.length]!
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) isInside = !isInside
  })
  return isInside
}
