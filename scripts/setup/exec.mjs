/** Short programs of the set-up: run to their end, with their output kept for the case that they fail. */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { SetupError } from './progress.mjs'

const KEPT_CHARACTERS = 20_000

/**
 * Runs a program without a shell.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, onOutput?: (text: string) => void }} [options]
 * @returns {Promise<{ code: number, output: string }>} code 127 if the program does not exist; the last of its output
 */
export function run(command, args, options = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const keep = (chunk) => {
      const text = chunk.toString()
      output = (output + text).slice(-KEPT_CHARACTERS)
      options.onOutput?.(text)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => done({ code: 127, output: error.message }))
    child.on('close', (code, signal) => done({ code: code ?? (signal === null ? 1 : 128), output }))
  })
}

/** As `run`, but a failure is an error that carries the end of the output. */
export async function mustRun(what, command, args, options) {
  const result = await run(command, args, options)
  if (result.code !== 0) {
    throw new SetupError(
      `${what} failed (${command} ended with code ${result.code}).\n${excerpt(result.output)}`,
    )
  }
  return result.output
}

const EXCERPT_LINES = 15

/** First and last lines: some programs say what went wrong before they explain how they are used, others after. */
function excerpt(output) {
  const lines = output.trim().split('\n')
  if (lines.length <= 2 * EXCERPT_LINES) return lines.join('\n')
  return [...lines.slice(0, EXCERPT_LINES), '…', ...lines.slice(-EXCERPT_LINES)].join('\n')
}

/** Full path of a program, `undefined` if there is none. Looks into sbin too: a user's PATH often lacks it. */
export function findProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin']
  for (const folder of folders) {
    if (folder === '') continue
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here: the next folder.
    }
  }
  return undefined
}
