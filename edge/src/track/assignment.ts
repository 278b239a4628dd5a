/**
 * The cheapest one-to-one assignment of rows to columns (the Hungarian method in its shortest-augmenting-path form,
 * O(n²m); Jonker and Volgenant 1987). Deterministic: equal costs are settled by the lower index.
 */

/** `costs[row][column]`, finite, as many columns in every row. Gives the column of each row, or -1. */
export function assign(costs: readonly (readonly number[])[]): number[] {
  const rows = costs.length
  const columns = costs[0]?.length ?? 0
  if (rows === 0 || columns === 0) return new Array<number>(rows).fill(-1)
  if (rows > columns) {
    const transposed = Array.from({ length: columns }, (_, column) => costs.map((row) => row[column]!))
    const rowOf = assign(transposed)
    const result = new Array<number>(rows).fill(-1)
    rowOf.forEach((row, column) => {
      if (row >= 0) result[row] = column
    })
    return result
  }
  // Index 0 stands for "none" in every array below.
  const rowPrice = new Float64Array(rows + 1)
  const columnPrice = new Float64Array(columns + 1)
  const rowOfColumn = new Int32Array(columns + 1)
  const before = new Int32Array(columns + 1)
  for (let row = 1; row <= rows; row += 1) {
    const slack = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY)
    const isVisited = new Uint8Array(columns + 1)
    rowOfColumn[0] = row
    let column = 0
    do {
      isVisited[column] = 1
      const current = rowOfColumn[column]!
      let delta = Number.POSITIVE_INFINITY
      let next = 0
      for (let other = 1; other <= columns; other += 1) {
        if (isVisited[other]) continue
        const reduced = costs[current - 1]![other - 1]! - rowPrice[current]! - columnPrice[other]!
        if (reduced < slack[other]!) {
          slack[other] = reduced
          before[other] = column
        }
        if (slack[other]! < delta) {
          delta = slack[other]!
          next = other
        }
      }
      for (let other = 0; other <= columns; other += 1) {
        if (isVisited[other]) {
          rowPrice[rowOfColumn[other]!]! += delta
          columnPrice[other]! -= delta
        } else slack[other]! -= delta
      }
      column = next
    } while (rowOfColumn[column] !== 0)
    while (column !== 0) {
      rowOfColumn[column] = rowOfColumn[before[column]!]!
      column = before[column]!
    }
  }
  const result = new Array<number>(rows).fill(-1)
  for (let column = 1; column <= columns; column += 1) {
    if (rowOfColumn[column] !== 0) result[rowOfColumn[column]! - 1] = column - 1
  }
  return result
}
