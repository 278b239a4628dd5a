/**
 * Progress of the set-up, on standard error so that standard output stays the program's own. Plain JavaScript: this
 * runs on Node 20 before anything is installed, like everything in this folder.
 */

/** A line on standard error. */
export function say(line) {
  process.stderr.write(`${line}\n`)
}

export function seconds(sinceMs) {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`
}

let steps = 0

/** True if anything had to be made ready: the start was a cold one. */
export function hasWorked() {
  return steps > 0
}

/**
 * Runs one step of the set-up, saying when it begins, that it is still alive every five seconds, and how long it took.
 * @param {string} title what is being made ready, e.g. `npm packages`
 * @param {string} doing what is done, e.g. `installing`
 * @param {() => Promise<T>} work
 * @param {() => string} [detail] more about where it stands, for the lines in between
 * @returns {Promise<T>}
 * @template T
 */
export async function step(title, doing, work, detail = () => '') {
  steps += 1
  const beganMs = performance.now()
  say(`[setup] ${title}: ${doing} …`)
  const ticker = setInterval(() => {
    const more = detail()
    say(`[setup] ${title}: still ${doing}, ${seconds(beganMs)}${more === '' ? '' : `, ${more}`}`)
  }, 5000)
  try {
    const result = await work()
    say(`[setup] ${title}: ready (${seconds(beganMs)})`)
    return result
  } finally {
    clearInterval(ticker)
  }
}

/** Something that a person has to do or know; printed as it is, without a stack. */
export class SetupError extends Error {
  /** @param {string} message */
  constructor(message, options) {
    super(message, options)
    this.name = 'SetupError'
  }
}
