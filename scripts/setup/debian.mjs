/**
 * Programs that npm does not carry: which of them a command needs, and how they get onto a Debian machine. They are
 * installed when we may (root, or sudo that asks for no password); otherwise the exact command is printed.
 */
import { existsSync, readdirSync } from 'node:fs'
import { findProgram, run } from './exec.mjs'
import { SetupError, say, step } from './progress.mjs'
import { locked } from './stamp.mjs'

/**
 * @typedef {object} Need
 * @property {string} title what it is called
 * @property {string[]} packages Debian's packages
 * @property {string} [program] found on the PATH: then nothing is asked of Debian
 * @property {string[]} [services] systemd units that Debian would start with the package
 * @property {string} without what is not possible when it is missing
 */

/** @type {Record<string, Need>} */
const NEEDS = {
  ffmpeg: {
    title: 'ffmpeg',
    packages: ['ffmpeg'],
    program: 'ffmpeg',
    without: 'no camera can be read or simulated',
  },
  chromium: {
    title: 'Chromium',
    packages: ['chromium'],
    program: 'chromium',
    without: 'the browser tests (dashboard/e2e) cannot run',
  },
  mosquitto: {
    title: 'Mosquitto',
    packages: ['mosquitto'],
    program: 'mosquitto',
    services: ['mosquitto.service'],
    without: 'the tests against another MQTT broker cannot run',
  },
  mosquittoClients: {
    title: 'mosquitto_pub',
    packages: ['mosquitto-clients'],
    program: 'mosquitto_pub',
    without: 'the examples of the guide for devices cannot be run',
  },
  curl: {
    title: 'curl',
    packages: ['curl'],
    program: 'curl',
    without: 'the examples of the guide for devices cannot be run',
  },
  influxdb: {
    title: 'InfluxDB',
    packages: ['influxdb'],
    program: 'influxd',
    services: ['influxdb.service'],
    without: 'the time-series contract cannot be run against InfluxDB',
  },
  victoriametrics: {
    title: 'VictoriaMetrics',
    packages: ['victoria-metrics'],
    program: 'victoria-metrics',
    services: ['victoria-metrics.service'],
    without: 'writing points into VictoriaMetrics cannot be tested',
  },
  postgresql: {
    title: 'PostgreSQL',
    // Debian keeps the server's programs off the PATH; a cluster of the package is left as it is.
    packages: ['postgresql'],
    services: ['postgresql.service'],
    without: 'the relational contract cannot be run against PostgreSQL',
  },
  redis: {
    title: 'Redis',
    packages: ['redis-server'],
    program: 'redis-server',
    services: ['redis-server.service'],
    without: 'the tests of several hubs cannot run',
  },
  nginx: {
    title: 'nginx',
    packages: ['nginx-light'],
    services: ['nginx.service'],
    without: 'the tests of several hubs cannot run',
  },
  compose: {
    title: 'docker-compose',
    packages: ['docker-compose'],
    program: 'docker-compose',
    services: ['docker.service', 'docker.socket', 'containerd.service'],
    without: 'docker-compose.yml is not checked against its schema',
  },
  gstreamer: {
    title: "GStreamer's RTSP server",
    packages: [
      'python3-gi',
      'gir1.2-gst-rtsp-server-1.0',
      'gstreamer1.0-plugins-base',
      'gstreamer1.0-plugins-good',
      'gstreamer1.0-plugins-bad',
      'gstreamer1.0-plugins-ugly',
    ],
    without: 'the tests against a camera that is not ours cannot run',
  },
  fonts: {
    title: 'Chinese fonts',
    packages: ['fonts-noto-cjk'],
    without: 'Chinese text in browser tests and screenshots shows as boxes',
  },
}

/** What each command needs. */
const NEEDS_OF = {
  edge: ['ffmpeg'],
  demo: ['ffmpeg'],
  bench: ['ffmpeg'],
  'bench with cameras': ['ffmpeg', 'gstreamer'],
  'bench on screen': ['ffmpeg', 'chromium', 'gstreamer'],
  test: [
    'ffmpeg',
    'chromium',
    'mosquitto',
    'mosquittoClients',
    'curl',
    'influxdb',
    'victoriametrics',
    'postgresql',
    'redis',
    'nginx',
    'compose',
    'gstreamer',
    'fonts',
  ],
}

/**
 * Makes the programs that a command needs available.
 * @param {keyof typeof NEEDS_OF} command
 * @param {{ mayLack: boolean }} options mayLack: go on without what cannot be installed, after saying what that means
 * @throws SetupError with the command to type, when something is missing that the command cannot do without
 */
export async function ensurePrograms(command, { mayLack }) {
  let missing = await missingOf(NEEDS_OF[command])
  if (missing.length === 0) return
  const packages = packagesOf(missing)
  const apt = await aptCommand()
  let why = 'this user may not install packages'
  if (apt !== undefined) {
    try {
      await locked('debian-packages', () => install(apt, packages, missing))
      why = 'the installation did not bring it'
    } catch (error) {
      why = error.message
    }
    missing = await missingOf(NEEDS_OF[command])
  } else if (findProgram('apt-get') === undefined) {
    why = 'this is not Debian: install the like of these packages by hand'
  }
  if (missing.length === 0) return
  const text = adviceFor(missing, why)
  if (!mayLack) throw new SetupError(text)
  say(text)
}

/** The lines for a person: what is missing, what that means and what to type. */
export function adviceFor(missing, why) {
  return [
    `Missing: ${missing.map((need) => need.title).join(', ')} (${why}).`,
    ...missing.map((need) => `  without ${need.title}: ${need.without}`),
    'Install it with:',
    `  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packagesOf(missing).join(' ')}`,
  ].join('\n')
}

function packagesOf(needs) {
  return needs.flatMap((need) => need.packages)
}

async function missingOf(names) {
  const needs = names.map((name) => NEEDS[name])
  const byPackage = needs.filter((need) => need.program === undefined)
  const installed = await installedPackages(packagesOf(byPackage))
  return needs.filter((need) =>
    need.program === undefined
      ? need.packages.some((name) => !installed.has(name))
      : findProgram(need.program) === undefined,
  )
}

async function installedPackages(names) {
  if (names.length === 0) return new Set()
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills these in itself
  const format = '${Package} ${db:Status-Status}\\n'
  const answer = await run('dpkg-query', ['-W', '-f', format, ...names])
  return new Set(
    answer.output
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  )
}

/** How to call apt-get here; `undefined` if we may not. */
async function aptCommand() {
  const apt = findProgram('apt-get')
  if (apt === undefined) return undefined
  if (process.getuid?.() === 0) return []
  const sudo = findProgram('sudo')
  if (sudo === undefined) return undefined
  return (await run(sudo, ['-n', 'true'])).code === 0 ? [sudo, '-n'] : undefined
}

async function install(prefix, packages, needs) {
  const call = (args) => {
    const [command, ...rest] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', ...args]
    return run(command, rest, { onOutput: (text) => note(text) })
  }
  let last = ''
  const note = (text) => {
    last = text.trim().split('\n').at(-1)?.slice(0, 80) ?? last
  }
  const aptInstall = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages]
  const update = () =>
    step('Debian package lists', 'fetching', async () => {
      const result = await call(['apt-get', 'update'])
      if (result.code !== 0)
        say(`[setup] apt-get update ended with code ${result.code}; trying with what is there`)
    })
  const services = needs.flatMap((need) => need.services ?? [])
  await withoutStarting(prefix, services, async () => {
    if (!hasLists()) await update()
    say(`[setup] Debian packages: ${packages.join(' ')}`)
    await step(
      'Debian packages',
      'installing',
      async () => {
        let result = await call(aptInstall)
        if (result.code !== 0) {
          // Lists that are too old name files that no longer exist.
          await update()
          result = await call(aptInstall)
        }
        if (result.code !== 0) {
          const tail = result.output.trim().split('\n').slice(-8).join('\n')
          throw new SetupError(`apt-get ended with code ${result.code}:\n${tail}`)
        }
      },
      () => last,
    )
  })
}

/** Debian starts a service when its package is installed; tests start their own on free ports, so nobody needs that one. */
async function withoutStarting(prefix, services, work) {
  const isSystemd = existsSync('/run/systemd/system')
  if (!isSystemd || services.length === 0) return work()
  const systemctl = (verb) => {
    const [command, ...rest] = [...prefix, 'systemctl', verb, '--runtime', ...services]
    return run(command, rest)
  }
  await systemctl('mask')
  try {
    return await work()
  } finally {
    await systemctl('unmask')
    const [command, ...rest] = [...prefix, 'systemctl', 'disable', ...services]
    await run(command, rest)
  }
}

function hasLists() {
  try {
    return readdirSync('/var/lib/apt/lists').some(
      (name) => name.endsWith('_Packages') || name.includes('_Packages.'),
    )
  } catch {
    return false
  }
}
