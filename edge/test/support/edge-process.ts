/** Starts an edge as its own process, as in the field. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

export interface EdgeProcess {
  child: ChildProcess
  /** Everything that it wrote on stdout and stderr. */
  output: () => string
  /** Lines of its log. */
  logged: () => Record<string, unknown>[]
  /** Resolves with the exit code when it has ended. */
  ended: Promise<number | null>
}

/** `env` is added to this process's own environment; `nodeArgs` stand before the script. */
export function startEdge(
  args: readonly string[],
  { env = {}, nodeArgs = [] }: { env?: Record<string, string>; nodeArgs?: readonly string[] } = {},
): EdgeProcess {
  const child = spawn(process.execPath, [...nodeArgs, MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return {
    child,
    output: () => output,
    logged: () =>
      output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .flatMap((line) => {
          try {
            return [JSON.parse(line) as Record<string, unknown>]
          } catch {
            // The last line may not be whole yet.
            return []
          }
        }),
    ended: once(child, 'close').then(() => child.exitCode),
  }
}
