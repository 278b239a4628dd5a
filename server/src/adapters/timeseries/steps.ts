/** Steps of a series, the same for every engine. */

export interface Steps {
  fromMs: number
  toMs: number
  stepMs: number
}

/** Whole steps that cover [fromMs, toMs): first instant of the first, first instant after the last. */
export function stepSpan({ fromMs, toMs, stepMs }: Steps): { beginMs: number; endMs: number } {
  return { beginMs: Math.floor(fromMs / stepMs) * stepMs, endMs: Math.ceil(toMs / stepMs) * stepMs }
}

/** One point for every step of the query; `gap` makes those that `found` does not hold. */
export function fillSteps<P>(query: Steps, found: ReadonlyMap<number, P>, gap: (atMs: number) => P): P[] {
  const { beginMs, endMs } = stepSpan(query)
  const points: P[] = []
  for (let atMs = beginMs; atMs < endMs; atMs += query.stepMs) points.push(found.get(atMs) ?? gap(atMs))
  return points
}
