import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeYolox, yoloxRowCount } from './yolox.ts'

const ROW = 5 + 3
const size = { widthPx: 64, heightPx: 32 }
/** The second of three classes does not matter. */
const options = { ...size, scoreThreshold: 0.4, isWanted: [true, false, true] }

/** One object, written as a training target would be. */
function encode(object: {
  stride: number
  box: [number, number, number, number]
  classIndex: number
  scores: [number, number]
}) {
  const output = new Float32Array(yoloxRowCount(64, 32) * ROW)
  const [x1, y1, x2, y2] = object.box
  const { stride } = object
  const cellX = Math.floor((x1 + x2) / 2 / stride)
  const cellY = Math.floor((y1 + y2) / 2 / stride)
  const gridStart = { 8: 0, 16: 32, 32: 40 }[stride]!
  const row = (gridStart + cellY * (64 / stride) + cellX) * ROW
  output.set(
    [
      (x1 + x2) / 2 / stride - cellX,
      (y1 + y2) / 2 / stride - cellY,
      Math.log((x2 - x1) / stride),
      Math.log((y2 - y1) / stride),
      object.scores[0],
    ],
    row,
  )
  output[row + 5 + object.classIndex] = object.scores[1]
  return output
}

describe('decoding YOLOX', () => {
  it('counts the cells of the three grids', () => {
    expect(yoloxRowCount(64, 32)).toBe(8 * 4 + 4 * 2 + 2 * 1)
    expect(yoloxRowCount(416, 416)).toBe(3549)
  })

  it('finds a box again that was encoded in any grid', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(8, 16, 32),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 1, max: 23 }),
        fc.integer({ min: 1, max: 11 }),
        (stride, x1, y1, width, height) => {
          const box: [number, number, number, number] = [x1, y1, x1 + width, y1 + height]
          const found = decodeYolox(encode({ stride, box, classIndex: 2, scores: [0.9, 0.8] }), options)
          expect(found).toHaveLength(1)
          expect(found[0]!.classIndex).toBe(2)
          expect(found[0]!.score).toBeCloseTo(0.72, 5)
          expect([found[0]!.x1, found[0]!.y1, found[0]!.x2, found[0]!.y2].map((side) => side - 0)).toEqual(
            box.map((side) => expect.closeTo(side, 3)),
          )
        },
      ),
    )
  })

  it.each([
    ['the product of objectness and class score is too low', { classIndex: 0, scores: [0.6, 0.6] }],
    ['the best class does not matter', { classIndex: 1, scores: [0.9, 0.9] }],
  ] as const)('leaves out a cell when %s', (_, { classIndex, scores }) => {
    const output = encode({ stride: 16, box: [0, 0, 20, 20], classIndex, scores: [...scores] })
    expect(decodeYolox(output, options)).toEqual([])
  })

  it('returns boxes above the threshold or none, whatever the numbers are', () => {
    const anyNumbers = fc.float32Array({
      minLength: yoloxRowCount(64, 32) * ROW,
      maxLength: yoloxRowCount(64, 32) * ROW,
    })
    fc.assert(
      fc.property(anyNumbers, (output) => {
        for (const { score, classIndex } of decodeYolox(output, options)) {
          expect(score).toBeGreaterThanOrEqual(options.scoreThreshold)
          expect(options.isWanted[classIndex]).toBe(true)
        }
      }),
      { numRuns: 30 },
    )
  })
})
