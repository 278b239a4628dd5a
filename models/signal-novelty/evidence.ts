/**
 * What the model's first half computes: how much news each measure is, from 0 to 3, by the share of the worst earlier
 * episodes that it comes near to or passes, and by how far it goes beyond the very worst. The training uses this; the
 * graph does the same (a test compares them).
 */
import { MEASURE_COUNT } from '../../edge/src/signal/measures.ts'
import { WORST_AT } from '../../edge/src/signal/series-model.ts'
import { WORST } from '../../edge/src/signal/worst-episodes.ts'

/** From half below to half above an episode's measure, in natural logarithms, it is passed more and more. */
export const PASSING = 1.1
/** Beyond the worst episode: 1 at this distance in natural logarithms. */
export const BEYOND = 1.5

export function evidenceOf(row: Float32Array, evidence: Float32Array, at = 0): void {
  for (let measure = 0; measure < MEASURE_COUNT; measure++) {
    const first = WORST_AT + measure * WORST
    const level = row[measure]!
    let passed = 0
    for (let place = first; place < first + WORST; place++) {
      passed += clip((level - row[place]!) / PASSING + 0.5)
    }
    evidence[at + measure] = (2 * passed) / WORST + clip((level - row[first]!) / BEYOND)
  }
}

function clip(value: number): number {
  return Math.max(0, Math.min(1, value))
}
