/**
 * What every `npm run …` starts: plain JavaScript for Node 20 with nothing installed. It makes ready what the command
 * needs and then runs it on Node 24 with all remaining arguments, passes signals on and ends with its exit code.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runChecks } from './setup/checks.mjs'
import { ensureDashboard } from './setup/dashboard.mjs'
import { ensurePrograms } from './setup/debian.mjs'
import { ensureModels } from './setup/models.mjs'
import { ensurePackages } from './setup/npm.mjs'
import { NODE, ROOT } from './setup/paths.mjs'
import { hasWorked, SetupError, say } from './setup/progress.mjs'
import { runProgram } from './setup/run-program.mjs'

const beganAtMs = Date.now()

/** Those that look at the dashboard in a browser. */
const BENCHES_WITH_CAMERAS = new Set(['edge-density'])
const BENCHES_ON_SCREEN = new Set(['glass-to-glass'])

/** @type {Record<string, { does: string, run: (args: string[]) => Promise<number> }>} */
const COMMANDS = {
  demo: {
    does: 'hub, edge, simulated cameras, checkpoints and sensors on this machine',
    run: async (args) => {
      await ensurePackages()
      if (!asksForHelp(args)) {
        await ensurePrograms('demo', { mayLack: false })
        await ensureModels()
        await ensureDashboard()
      }
      return node(['scripts/demo.ts', ...args], {
        DEMO_BEGAN_AT_MS: String(beganAtMs),
        DEMO_IS_COLD: hasWorked() ? '1' : '0',
      })
    },
  },
  test: {
    does: 'set-up, then everything that `check` does; with paths, those tests only',
    run: async (args) => {
      await ensurePackages()
      await ensurePrograms('test', { mayLack: true })
      await ensureModels()
      await ensureDashboard()
      return runChecks(args)
    },
  },
  check: {
    does: 'format, lint, types, generated documents, tests',
    run: async (args) => {
      await ensurePackages()
      return runChecks(args)
    },
  },
  hub: {
    does: 'the hub alone',
    run: async (args) => {
      await ensurePackages()
      // Only the start itself serves the dashboard; the commands (`edge add` …) and --help do not.
      if (
        args.every((arg, index) => arg.startsWith('-') || args[index - 1] === '--config') &&
        !asksForHelp(args)
      ) {
        await ensureDashboard()
      }
      return node(['server/src/main.ts', ...args])
    },
  },
  edge: {
    does: 'one edge alone: -- --config FILE',
    run: async (args) => {
      await ensurePackages()
      if (!asksForHelp(args)) {
        await ensurePrograms('edge', { mayLack: false })
        await ensureModels()
      }
      return node(['edge/src/main.ts', ...args])
    },
  },
  models: {
    does: 'models: -- prepare | list | verify',
    run: async (args) => {
      await ensurePackages()
      return node(['models/cli.ts', ...args])
    },
  },
  bench: {
    does: 'a measurement: -- NAME',
    run: async ([name, ...args]) => {
      const folder = join(ROOT, 'test', 'bench')
      const names = existsSync(folder)
        ? readdirSync(folder).flatMap((file) =>
            /^[a-z][a-z0-9-]*\.ts$/.test(file) ? [file.slice(0, -3)] : [],
          )
        : []
      if (name === undefined || !names.includes(name)) {
        throw new SetupError(`usage: npm run bench -- NAME\nThere are: ${names.join(', ') || '(none yet)'}`)
      }
      await ensurePackages()
      const isOnScreen = BENCHES_ON_SCREEN.has(name)
      const hasCameras = BENCHES_WITH_CAMERAS.has(name)
      const needs = isOnScreen ? 'bench on screen' : hasCameras ? 'bench with cameras' : 'bench'
      await ensurePrograms(needs, { mayLack: false })
      await ensureModels()
      if (isOnScreen) await ensureDashboard()
      return node([`test/bench/${name}.ts`, ...args])
    },
  },
}

/** Node 24 with the repository as its folder. */
function node(args, env) {
  return runProgram(NODE, args, env)
}

function asksForHelp(args) {
  return args.includes('--help') || args.includes('-h')
}

async function main() {
  const [name, ...args] = process.argv.slice(2)
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : undefined
  if (command === undefined) {
    const lines = Object.entries(COMMANDS).map(([each, { does }]) => `  ${each.padEnd(8)}${does}`)
    say(`usage: node scripts/bootstrap.mjs COMMAND [arguments]\n${lines.join('\n')}`)
    return 2
  }
  const [major] = process.versions.node.split('.').map(Number)
  if (major < 20)
    throw new SetupError(`Node ${process.versions.node} is too old: 20 or newer is needed to start.`)
  return command.run(args)
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error) => {
    say(error instanceof SetupError ? `\n${error.message}` : error.stack)
    process.exitCode = 1
  },
)
