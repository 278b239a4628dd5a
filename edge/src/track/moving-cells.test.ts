import type { NormBox } from '@patrolhub/protocol'
import { describe, expect, it } from 'vitest'
import { MovingCells } from './moving-cells.ts'

const WIDTH = 160
const HEIGHT = 96
const STEP_MS = 200

type Paint = (x: number, y: number) => number

/** A frame with padding below the picture. */
function frame(capturedAtMs: number, paint: Paint) {
  const data = new Uint8Array(WIDTH * (HEIGHT + 32) * 3)
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < WIDTH; x++) data.fill(paint(x, y), (y * WIDTH + x) * 3, (y * WIDTH + x) * 3 + 3)
  return { capturedAtMs, widthPx: WIDTH, pictureWidthPx: WIDTH, pictureHeightPx: HEIGHT, data }
}

const noise: Paint = (x, y) => 120 + ((x * 7919 + y * 104_729) % 9)

/** A person of 12×32 pixels at (x, y) before noise. */
const person =
  (left: number, top = 40): Paint =>
  (x, y) =>
    x >= left && x < left + 12 && y >= top && y < top + 32 ? 60 : noise(x, y)
const boxAt = (left: number, top = 40): NormBox => [
  left / WIDTH,
  top / HEIGHT,
  (left + 12) / WIDTH,
  (top + 32) / HEIGHT,
]

/** Whether something moves in `box` of the last of these pictures. */
function isMovingAtEnd(pictures: readonly Paint[], box: NormBox): boolean {
  const cells = new MovingCells()
  const answers = pictures.map((paint, index) => cells.observe(frame(index * STEP_MS, paint)))
  return answers.at(-1)!(box)
}

describe('moving cells', () => {
  const walk = [0, 8, 16, 24, 32].map((step) => person(40 + step))

  it('lie where somebody walks, and nowhere else', () => {
    expect(isMovingAtEnd(walk, boxAt(72))).toBe(true)
    expect(isMovingAtEnd(walk, boxAt(120))).toBe(false)
    // Half of the picture is no box of that person.
    expect(isMovingAtEnd(walk, [0.3, 0, 1, 1])).toBe(false)
  })

  it('are not where somebody has stood for long, nor in the first picture', () => {
    expect(isMovingAtEnd(Array(40).fill(person(72)), boxAt(72))).toBe(false)
    expect(isMovingAtEnd([person(72)], boxAt(72))).toBe(false)
  })

  it('are none when the light changes, or the whole picture does', () => {
    const brighter: Paint = (x, y) => noise(x, y) + 40
    expect(isMovingAtEnd([noise, noise, brighter], boxAt(72))).toBe(false)
    const shaken: Paint = (x, y) => (Math.floor(x / 8) % 2 ? 60 : 180) + (y % 3)
    expect(isMovingAtEnd([noise, noise, shaken], boxAt(72))).toBe(false)
  })
})
