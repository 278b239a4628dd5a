import { describe, expect, it } from 'vitest'
import { seenFromAbove } from './seen-from-above.ts'

const CLASSES = ['person', 'cell phone', 'car', 'suitcase']
const box = { x1: 1, y1: 2, x2: 3, y2: 4 }

describe('vehicles seen from above', () => {
  it('are given as cars of which nobody is sure', () => {
    const { isMeant, rename } = seenFromAbove(CLASSES, ['person', 'car'], 0.4)
    expect(isMeant).toEqual([false, true, false, false])
    const found = rename([
      { classIndex: 1, score: 0.9, ...box },
      { classIndex: 1, score: 0.2, ...box },
      { classIndex: 0, score: 0.9, ...box },
    ])
    expect(found.map(({ classIndex, score }) => [CLASSES[classIndex], score])).toEqual([
      ['car', expect.closeTo(0.3)],
      ['car', 0.2],
      ['person', 0.9],
    ])
  })

  it('are not looked for where no car is, nor taken from what is wanted by its own name', () => {
    expect(seenFromAbove(CLASSES, ['person'], 0.4).isMeant).not.toContain(true)
    expect(seenFromAbove(['person'], ['person', 'car'], 0.4).isMeant).not.toContain(true)
    expect(seenFromAbove(CLASSES, ['car', 'cell phone'], 0.4).isMeant).not.toContain(true)
  })
})
