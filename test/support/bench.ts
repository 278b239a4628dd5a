/** What every bench prints: its last line is one line of JSON. */
import { arch, availableParallelism, cpus, release, totalmem } from 'node:os'

export interface Bar {
  name: string
  value: number
  unit: string
  bar: number
  ok: boolean
}

export interface Spread {
  count: number
  p50: number | null
  p95: number | null
  max: number | null
}

/** Nearest-rank percentiles; `null` without values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), max: sorted.at(-1) ?? null }
}

/** Prints the result line. `bars` has one entry for each figure that is to be reached. */
export function report(bench: string, figures: object, bars: readonly Bar[]): void {
  const machine = {
    cpu: cpus()[0]?.model ?? arch(),
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    node: process.version,
  }
  console.log(JSON.stringify({ bench, machine, figures, bars }))
}
