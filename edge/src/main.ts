/** Starts one edge: `node edge/src/main.ts --config FILE`. */
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { EdgeApp } from './app.ts'
import { killFfmpegs } from './capture/ffmpeg-process.ts'
import { quarantine, readStdin, tryMapping } from './commands.ts'
import { describeConfig, type EdgeConfig, edgeEnvironment, loadEdgeConfig } from './config.ts'
import { EdgeError } from './errors.ts'
import { createLog } from './log.ts'
import { type HubSettings, SettingsFile } from './settings/settings-file.ts'

const CLOSE_DEADLINE_MS = 10_000

const USAGE = `usage: npm run edge -- --config FILE
       npm run edge -- try-mapping --config FILE --device ID < message.json
       npm run edge -- quarantine list --config FILE
       npm run edge -- quarantine show ID --config FILE

  --config FILE   the configuration of this edge (YAML; edge/edge.example.yaml shows one)
  --check         only check the configuration
  try-mapping     shows what a message of a device would become
  quarantine      shows messages that were refused
  --help          this text

signals
  SIGHUP             reads the file again; what has not changed goes on untouched
  SIGTERM, SIGINT    ends the edge

environment
  PATROLHUB_MODELS   folders that are searched for models first, separated like PATH
  PATROLHUB_CACHE    folder for models that were fetched or made (default: .cache in the repository)
  FFMPEG_PATH        the ffmpeg to be used (default: the one in PATH)

settings of the file`

function help(): string {
  const rows = describeConfig().map(({ path, description, unit, isRequired, default: fallback }) => {
    const about = isRequired ? 'required' : fallback === '' ? '' : `default ${fallback}`
    const details = [unit, about].filter((text) => text !== '').join(', ')
    return `  ${path}\n      ${description}${details ? ` (${details})` : ''}`
  })
  return `${USAGE}\n${rows.join('\n')}\n`
}

/** For people, on stderr; the exit code says the rest. */
function explain(error: unknown): void {
  if (!(error instanceof EdgeError)) throw error
  process.stderr.write(`${error.code}: ${error.message}\n`)
  for (const detail of error.details) process.stderr.write(`  ${detail}\n`)
}

/**
 * Ends this process in the middle of whatever it does. `process.exit` would end the detector's threads inside native
 * code, which aborts the process and may write its whole memory to the disk.
 */
function leaveNow(): void {
  killFfmpegs()
  process.kill(process.pid, 'SIGKILL')
}

/**
 * By itself V8 looks through its whole heap whenever a few megabytes of pictures have gone through, four times a second
 * with eight cameras, which costs more than all the rest of this process. Now memory may grow to twice what is in use
 * before it does; three times saved no more time, and left holes in memory that grew for an hour. The space for new
 * objects, on the other hand, is kept as it is after the start: what a picture leaves is short-lived, and 50 MB more of
 * room for it comes and goes without saving any time.
 */
function tuneGarbageCollection(): void {
  setFlagsFromString('--heap-growing-percent=100')
  setFlagsFromString('--semi-space-growth-factor=1')
}

async function run(path: string, own: EdgeConfig): Promise<void> {
  const log = createLog({ level: own.logLevel, edgeId: own.edgeId })
  const file = await SettingsFile.open(own.dataDir)
  const configWith = (settings: HubSettings | undefined) => loadEdgeConfig(path, settings?.document)
  let config = own
  try {
    config = configWith(file.applied)
  } catch (error) {
    if (!(error instanceof EdgeError)) throw error
    log.error({ problems: error.details }, "the hub's settings do not fit the edge's own file any more")
    await file.withdraw([...error.details])
  }
  const app = new EdgeApp({
    config,
    environment: edgeEnvironment(),
    settings: { file, configWith },
    log,
    onFailure: (err) => {
      log.fatal({ err }, 'the edge cannot go on')
      void stop(1)
    },
  })
  let isStopping = false
  const stop = async (exitCode: number) => {
    if (isStopping) return leaveNow()
    isStopping = true
    process.exitCode = exitCode
    const deadline = setTimeout(() => {
      log.error({ deadlineMs: CLOSE_DEADLINE_MS }, 'not everything could be closed in time')
      leaveNow()
    }, CLOSE_DEADLINE_MS)
    await app.close()
    clearTimeout(deadline)
    log.info('edge stopped')
  }
  // A fault that nothing caught, here or in a rejection: said once, in the log, and then no half-dead edge goes on.
  process.on('uncaughtException', (err) => {
    log.fatal({ err }, 'a fault ends the edge')
    if (isStopping) process.exitCode = 1
    else void stop(1)
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      log.info({ signal }, 'stopping')
      void stop(0)
    })
  }
  process.on('SIGHUP', () => void reload())
  const reload = async () => {
    try {
      log.info({ touched: await app.apply(configWith(file.applied)) }, 'configuration read again')
    } catch (err) {
      const problems = err instanceof EdgeError ? err.details : []
      log.error({ err, problems }, 'the configuration was not taken over; the former one is in force')
    }
  }
  try {
    await app.start()
  } catch (error) {
    if (isStopping) return
    explain(error)
    process.exitCode = 1
    return
  }
  log.info(
    {
      region: config.region,
      intakePort: app.intakePort,
      viidPort: app.viidPort,
      cameras: config.cameras.length,
      dataDir: config.dataDir,
    },
    'edge started',
  )
}

async function runCommand(
  command: string,
  args: readonly string[],
  device: string | undefined,
  config: EdgeConfig,
): Promise<number> {
  const io = {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
  }
  if (command === 'quarantine') return quarantine(config, args, io)
  if (command === 'try-mapping' && device !== undefined) return tryMapping(config, device, readStdin(), io)
  io.err(command === 'try-mapping' ? '--device ID is missing\n' : `there is no command ${command}\n`)
  return 2
}

async function main(): Promise<void> {
  let options: { config?: string; device?: string; check: boolean; help: boolean }
  let words: string[]
  try {
    const flag = { type: 'boolean', default: false } as const
    const text = { type: 'string' } as const
    const parsed = parseArgs({
      options: { config: text, device: text, check: flag, help: flag },
      allowPositionals: true,
    })
    options = parsed.values
    words = parsed.positionals
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE.split('\n\nenv')[0]}\n`)
    process.exitCode = 2
    return
  }
  if (options.help) {
    process.stdout.write(help())
    return
  }
  if (options.config === undefined) {
    process.stderr.write(`--config FILE is missing\n\n${USAGE.split('\n\nenv')[0]}\n`)
    process.exitCode = 2
    return
  }
  let config: EdgeConfig
  try {
    config = loadEdgeConfig(options.config)
  } catch (error) {
    explain(error)
    process.exitCode = 1
    return
  }
  const [command, ...args] = words
  if (command !== undefined) {
    process.exitCode = await runCommand(command, args, options.device, config)
    return
  }
  if (options.check) {
    const { cameras, checkpoints, sensors } = config
    process.stdout.write(
      `${options.config} is right: ${cameras.length} camera(s), ${checkpoints.length} checkpoint(s), ${sensors.length} sensor(s)\n`,
    )
    return
  }
  tuneGarbageCollection()
  await run(options.config, config)
}

// A reader of the log that goes away (a closed pipe) must not end the edge.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
await main()
