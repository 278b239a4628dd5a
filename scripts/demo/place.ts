/** The folder of a demo: data, logs, sign-ins, and a description of what runs. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { People } from './people.ts'

export class Place {
  readonly #folder: string
  readonly #isKept: boolean

  constructor(folder: string, isKept: boolean) {
    this.#folder = folder
    refuseIfRunning(folder)
    this.#isKept = isKept && existsSync(this.#peopleFile)
    if (!this.#isKept) clear(folder)
    mkdirSync(join(folder, 'logs'), { recursive: true, mode: 0o700 })
    // It holds sign-ins and tokens.
    chmodSync(folder, 0o700)
  }

  log(part: string): string {
    return join(this.#folder, 'logs', `${part}.log`)
  }

  get #peopleFile(): string {
    return join(this.#folder, 'people.json')
  }

  /** The people of a folder that is gone on with. */
  keptPeople(): People | undefined {
    return this.#isKept ? (JSON.parse(readFileSync(this.#peopleFile, 'utf8')) as People) : undefined
  }

  keep(people: People): void {
    writeFileSync(this.#peopleFile, JSON.stringify(people), { mode: 0o600 })
  }

  /** The administrator, as the hub printed it once, at its first start. */
  firstSignIn(): Pick<People, 'administrator'> {
    const match = /First sign-in: (\S+) \/ (\S+)/.exec(readFileSync(this.log('hub'), 'utf8'))
    return match ? { administrator: { username: match[1]!, password: match[2]! } } : {}
  }

  /** Nothing runs any more. */
  forget(): void {
    rmSync(runningFile(this.#folder), { force: true })
  }

  /** For tests and for people who want to look: `demo.json`, as long as the demo runs. */
  describe(what: object): void {
    writeFileSync(runningFile(this.#folder), `${JSON.stringify(what, null, 2)}\n`, { mode: 0o600 })
  }
}

const runningFile = (folder: string) => join(folder, 'demo.json')

/** @throws Error if a demo runs on this folder: two would write over each other's data. */
function refuseIfRunning(folder: string): void {
  if (!existsSync(runningFile(folder))) return
  const { pids } = JSON.parse(readFileSync(runningFile(folder), 'utf8')) as { pids: { demo: number } }
  try {
    process.kill(pids.demo, 0)
  } catch {
    // It was killed: what it left may be taken.
    return
  }
  throw new Error(
    `A demo is running on ${folder} already (process ${pids.demo}). If that is another program, delete ${runningFile(folder)}.`,
  )
}

/** Removes what an earlier demo left, and refuses to empty a folder that is something else. */
function clear(folder: string): void {
  if (!existsSync(folder)) return
  const names = readdirSync(folder)
  const isOurs =
    names.length === 0 || names.some((name) => ['people.json', 'demo.json', 'logs'].includes(name))
  if (!isOurs) throw new Error(`${folder} exists and holds no data of a demo; it is left alone.`)
  rmSync(folder, { recursive: true })
}
