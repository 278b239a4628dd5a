/** Which part of a picture a thumbnail shows. Pure. */
import type { NormBox } from '@patrolhub/protocol'

/** In fractions of the picture: where the window begins and how much of the picture's width and height it covers. */
export interface FocusWindow {
  x: number
  y: number
  width: number
  height: number
}

/** Never closer than this share of the picture's width, so that the surroundings can be recognised. */
const MIN_WIDTH = 0.42
/** Air around the subjects, as a share of their own size. */
const MARGIN = 0.5

/**
 * The smallest window of the shape `windowRatio` (width / height) that holds every box with some air, lies inside the
 * picture as far as it can and shows its surroundings. `pictureRatio` is the shape of the picture. Without boxes it is
 * the middle of the picture, as wide as it fits.
 */
export function focusWindow(
  boxes: readonly NormBox[],
  pictureRatio: number,
  windowRatio: number,
): FocusWindow {
  // A window as wide as the picture is this high, in fractions of the picture's height.
  const heightOfWidth = pictureRatio / windowRatio
  const widest = Math.min(1, 1 / heightOfWidth)
  const x1 = Math.min(...boxes.map((box) => box[0]))
  const y1 = Math.min(...boxes.map((box) => box[1]))
  const x2 = Math.max(...boxes.map((box) => box[2]))
  const y2 = Math.max(...boxes.map((box) => box[3]))
  const wanted =
    boxes.length === 0
      ? widest
      : Math.max((x2 - x1) * (1 + MARGIN), ((y2 - y1) * (1 + MARGIN)) / heightOfWidth, MIN_WIDTH)
  const width = Math.min(widest, wanted)
  const height = width * heightOfWidth
  const centre = boxes.length === 0 ? [0.5, 0.5] : [(x1 + x2) / 2, (y1 + y2) / 2]
  const inside = (middle: number, size: number) => Math.min(Math.max(0, middle - size / 2), 1 - size)
  return { x: inside(centre[0]!, width), y: inside(centre[1]!, height), width, height }
}
