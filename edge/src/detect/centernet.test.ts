import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeCenternet } from './centernet.ts'

const ROWS = 6
const COLUMNS = 8
const CELLS = ROWS * COLUMNS
const options = { rows: ROWS, columns: COLUMNS, scoreThreshold: 0.3, isWanted: [true, false, true] }

function heads() {
  return { heatmap: new Float32Array(3 * CELLS), extents: new Float32Array(4 * CELLS) }
}

function at(row: number, column: number, plane = 0): number {
  return plane * CELLS + row * COLUMNS + column
}

describe('decoding CenterNet', () => {
  it('reads the four distances from the cell of a peak', () => {
    const { heatmap, extents } = heads()
    heatmap[at(2, 3, 2)] = 0.75
    const distances = [4, 6, 8, 10]
    distances.forEach((distance, plane) => {
      extents[at(2, 3, plane)] = distance
    })
    expect(decodeCenternet(heatmap, extents, options)).toEqual([
      { classIndex: 2, score: 0.75, x1: 12 - 4, y1: 8 - 6, x2: 12 + 8, y2: 8 + 10 },
    ])
  })

  it('takes the highest of neighbours, also across a corner of the map', () => {
    const { heatmap, extents } = heads()
    heatmap[at(0, 0)] = 0.5
    heatmap[at(1, 1)] = 0.625
    // The last cell of the row above is no neighbour.
    heatmap[at(0, COLUMNS - 1)] = 0.375
    const scores = decodeCenternet(heatmap, extents, options).map(({ score }) => score)
    expect(scores.toSorted()).toEqual([0.375, 0.625])
  })

  it('leaves out classes that do not matter and takes classes one by one', () => {
    const { heatmap, extents } = heads()
    heatmap[at(3, 3, 0)] = 0.5
    heatmap[at(3, 3, 1)] = 0.9
    heatmap[at(3, 4, 2)] = 0.6
    expect(decodeCenternet(heatmap, extents, options).map(({ classIndex }) => classIndex)).toEqual([0, 2])
  })

  it('gives the cells that a 3×3 maximum leaves unchanged', () => {
    const map = fc.array(fc.integer({ min: 0, max: 8 }), { minLength: CELLS, maxLength: CELLS })
    fc.assert(
      fc.property(map, (steps) => {
        const { heatmap, extents } = heads()
        heatmap.set(steps.map((step) => step / 8))
        const expected: number[] = []
        steps.forEach((step, cell) => {
          const near = steps.filter(
            (_, other) =>
              Math.abs(Math.floor(other / COLUMNS) - Math.floor(cell / COLUMNS)) <= 1 &&
              Math.abs((other % COLUMNS) - (cell % COLUMNS)) <= 1,
          )
          if (step / 8 >= 0.3 && step === Math.max(...near)) expected.push(cell)
        })
        const found = decodeCenternet(heatmap, extents, options)
        expect(found.map(({ x1, y1 }) => (y1 / 4) * COLUMNS + x1 / 4)).toEqual(expected)
      }),
    )
  })
})
