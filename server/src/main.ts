/** The hub's process: arguments, configuration, start, signals. Everything else is in app.ts. */
import type { Logger } from 'pino'
import { helpText, parseInvocation, runCommand } from './cli.ts'
import { isAuditCommand, runAuditCommand, verifyExport } from './cli-audit.ts'
import { checkExport, showExportKey } from './cli-export.ts'
import { runPlatesCommand } from './cli-plates.ts'
import { runStorageCommand } from './cli-storage.ts'
import { type HubConfig, loadConfig } from './config.ts'
import { HubError } from './errors.ts'
import { createLog } from './log.ts'

/** Exit codes: a fault, a mistake in arguments or configuration, and 128 + 2 for a second signal. */
const EXIT_FAULT = 1
const EXIT_MISTAKE = 2
const EXIT_INTERRUPTED = 130

async function serve(config: HubConfig, log: Logger): Promise<void> {
  process.on('uncaughtExceptionMonitor', (err) => log.fatal({ err }, 'the hub fails and ends'))
  const stopped = onSignals(log)
  // Commands and --help do without everything that a hub is made of.
  const { startHub } = await import('./app.ts')
  const hub = await startHub(config, log)
  const { httpPort, mqttPort, oneTimePassword } = hub
  if (oneTimePassword !== undefined) {
    process.stdout.write(
      `First sign-in: admin / ${oneTimePassword} (one-time; you will be asked for a new one)\n`,
    )
  }
  log.info({ httpPort, mqttPort, pid: process.pid }, 'hub is ready')

  const signal = await stopped
  log.info({ signal }, 'hub stops')
  const deadline = setTimeout(() => {
    log.error({ seconds: config.shutdownSeconds }, 'the stop took too long; the hub ends now')
    process.exit(EXIT_FAULT)
  }, config.shutdownSeconds * 1000)
  await hub.close()
  clearTimeout(deadline)
  log.info('hub has stopped')
}

/** Resolves with the first signal; a second one ends the process at once. */
function onSignals(log: Logger): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let hasOne = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (hasOne) {
        log.warn({ signal }, 'second signal: the hub ends now')
        process.exit(EXIT_INTERRUPTED)
      }
      hasOne = true
      resolve(signal)
    })
  }
  return promise
}

async function main(): Promise<void> {
  const { command, configFile } = parseInvocation(process.argv.slice(2))
  if (command.kind === 'help') {
    process.stdout.write(helpText())
    return
  }
  if (command.kind === 'audit verify' && command.file !== undefined) {
    // Anywhere: no settings, no data folder, no network.
    finish(await verifyExport({ ...command, file: command.file }))
    return
  }
  if (command.kind === 'export verify') {
    finish(await checkExport(command))
    return
  }
  const config = loadConfig({ env: process.env, file: configFile })
  if (command.kind === 'serve') {
    await serve(config, createLog(config))
    return
  }
  const log = createLog({ logLevel: 'silent' })
  if (command.kind === 'backup' || command.kind === 'restore' || command.kind === 'doctor') {
    finish(await runStorageCommand(command, config, log))
    return
  }
  if (command.kind === 'plates keys' || command.kind === 'plates rotate') {
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    const say = (line: string) => void process.stderr.write(`${line}\n`)
    finish(await runPlatesCommand(command, config, log, { signal: stop.signal, say }))
    return
  }
  if (isAuditCommand(command)) {
    finish(await runAuditCommand(command, config, log))
    return
  }
  if (command.kind === 'export key') {
    process.stdout.write(showExportKey(config))
    return
  }
  process.stdout.write(await runCommand(command, config, log))
}

function finish({ text, isGood }: { text: string; isGood: boolean }): void {
  process.stdout.write(text)
  if (!isGood) process.exitCode = EXIT_FAULT
}

// A reader of the log that goes away (a closed pipe) must not end the hub.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
try {
  await main()
} catch (error) {
  if (!(error instanceof HubError)) throw error
  const isMistake = error.code === 'HUB_CONFIG' || error.code === 'HUB_USAGE'
  process.stderr.write(`${error.code}: ${error.message}\n`)
  for (const detail of error.details) process.stderr.write(`  - ${detail}\n`)
  // Nothing is held any more: what had been opened was closed before the error got here.
  process.exit(isMistake ? EXIT_MISTAKE : EXIT_FAULT)
}
