/** `npm run demo`: the whole system on one machine, until Ctrl-C or for `--seconds`. See demo/options.ts for the options. */
import { networkInterfaces } from 'node:os'
import type { Alert } from '@patrolhub/protocol'
import { HELP, readCommandLine } from './demo/options.ts'
import { makeReport } from './demo/report.ts'
import { type Demo, startDemo } from './demo/stack.ts'

const DEFAULT_STATUS_SECONDS = 15
const startedAtMs = Number(process.env.DEMO_BEGAN_AT_MS ?? Date.now())
const isCold = process.env.DEMO_IS_COLD === '1'

/** Wakes whoever waits for the end: a signal, or the time that was asked for. */
const ending = Promise.withResolvers<'signal' | 'time'>()
let signals = 0
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    signals += 1
    ending.resolve('signal')
    // The guard ends what is still running.
    if (signals > 1) process.exit(1)
  })
}

async function main(): Promise<number> {
  const options = readCommandLine(process.argv.slice(2))
  if (options === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  const out = options.isJson ? process.stderr : process.stdout
  const say = (line: string) => out.write(`[demo] ${line}\n`)

  const starting = startDemo({
    ...options,
    isRestarted: true,
    hasAnomalies: true,
    onLine: say,
    onAlert: (alert, latencyMs) => say(alertLine(alert, latencyMs)),
  })
  // A signal while it starts: there is nothing to report, and the guard ends what has been started.
  const demo = await Promise.race([starting, ending.promise])
  if (typeof demo === 'string') process.exit(130)

  const upAtMs = Date.now()
  const setupSeconds = (upAtMs - startedAtMs) / 1000
  out.write(welcome(demo, options.host))
  if (options.seconds !== undefined) setTimeout(() => ending.resolve('time'), options.seconds * 1000)
  const status = setInterval(() => void sayStatus(demo, say), DEFAULT_STATUS_SECONDS * 1000)

  const why = await ending.promise
  clearInterval(status)
  const seconds = (Date.now() - upAtMs) / 1000
  const report =
    options.seconds === undefined ? undefined : await makeReport(demo, { seconds, setupSeconds, isCold })
  say('stopping')
  await demo.close()
  say('stopped')
  if (report === undefined) return 0
  process.stdout.write(`${JSON.stringify(report)}\n`)
  return report.ok && why === 'time' ? 0 : 1
}

function alertLine(alert: Alert, latencyMs: number): string {
  const time = new Date(alert.atMs).toTimeString().slice(0, 8)
  return `alert ${time} ${alert.severity.padEnd(8)} ${alert.deviceName} · ${alert.ruleName} (${latencyMs} ms): ${alert.reason}`
}

async function sayStatus(demo: Demo, say: (line: string) => void): Promise<void> {
  const now = await demo.watcher.overview()
  if (!now) return void say('the hub does not answer at the moment')
  const { p50 } = demo.watcher.latency()
  say(
    `${now.camerasOnline} cameras, ${now.framesAnalysed} frames, ${now.passagesTotal} passages, ${now.readingsTotal} readings, ` +
      `${now.alertsTotal} alerts, ${now.incidentsOpen} open incidents${p50 === null ? '' : `, latency ${p50} ms`}`,
  )
}

function welcome(demo: Demo, host: string): string {
  const { administrator, operator, patroller } = demo.people
  const people = [
    ...(administrator ? [{ role: 'administrator', ...administrator }] : []),
    { role: 'operator', ...operator },
    { role: 'patroller', ...patroller },
  ]
  const isRendered = demo.cameras.some(({ source }) => source === 'rendered')
  const lines = [
    '',
    `  Dashboard   ${addresses(demo.baseUrl, host).join('   ')}`,
    ...people.map(({ role, username, password }) => `  ${role.padEnd(14)}${username.padEnd(11)}${password}`),
    demo.isNewData
      ? '  Each password works once: you choose your own when you sign in.'
      : '  (passwords of the first start; those who have signed in since have chosen their own)',
    '  Second factor: off in this demo. A hub of your own asks supervisors, administrators and auditors for one',
    '  (PATROLHUB_REQUIRE_SECOND_FACTOR_FOR). Here everybody may turn on their own: Account, Second factor.',
    `  Cameras     ${demo.cameras.map(({ scene }) => scene.name).join(', ')}`,
    ...(isRendered
      ? ['  RENDERED SCENE: no footage was found, so cameras raise no alerts; name some with --video FILE.']
      : []),
    `  Data, logs  ${demo.dataDir}`,
    '  Ctrl-C stops everything.',
    '',
  ]
  return `${lines.join('\n')}\n`
}

/** Where a browser reaches it: this machine and, if it listens everywhere, its addresses. */
function addresses(baseUrl: string, host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [baseUrl]
  const { port } = new URL(baseUrl)
  const others = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter((entry) => entry.family === 'IPv4' && !entry.internal)
  return [baseUrl, ...others.map((entry) => `http://${entry.address}:${port}`)]
}

main().then(
  (code) => {
    process.exitCode = code
    // Nothing is left to wait for; a socket that is slow to close must not keep us.
    setTimeout(() => process.exit(), 2000).unref()
  },
  (error: Error) => {
    process.stderr.write(`[demo] ${error.message}\n`)
    process.exit(1)
  },
)
