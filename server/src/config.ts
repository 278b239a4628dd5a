/**
 * The hub's configuration: one schema for defaults, units, descriptions and checks. `--help`, `.env.example` and
 * `docs/ref/config.md` are generated from it. Values come from PATROLHUB_* variables, then from a YAML file, then from
 * the defaults. Nothing else in the hub reads the environment.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parser, RegionCode } from '@patrolhub/protocol'
import { type Static, type TSchema, Type } from 'typebox'
import { parse as parseYaml } from 'yaml'
import { hashKeyProblem, readPlateKeys } from './access/plate-keys.ts'
import { HubError } from './errors.ts'

const PREFIX = 'PATROLHUB_'
/** A secret may be given as the name of a file that holds it: `PATROLHUB_POSTGRES_URL_FILE`. */
const FILE_SUFFIX = '_FILE'
/** Variables of other processes of the project, which may share an environment with the hub. */
const OTHERS = ['PATROLHUB_MODELS', 'PATROLHUB_ASSETS', 'PATROLHUB_CACHE']
const OTHER_PREFIXES = ['PATROLHUB_DEMO_', 'PATROLHUB_TEST_', 'PATROLHUB_EDGE_']

const REPOSITORY = resolve(import.meta.dirname, '../..')

const port = (fallback: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: fallback, description })
const choice = <T extends string>(values: readonly T[], fallback: T, description: string) =>
  Type.Unsafe<T>(
    Type.Union(
      values.map((value) => Type.Literal(value)),
      { default: fallback, description },
    ),
  )
const days = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 36_500, default: fallback, unit: 'days', description })
const text = (description: string, more: { default?: string; secret?: true } = {}) =>
  Type.String({ minLength: 1, maxLength: 1000, description, ...more })

/** Keys are the names in the YAML file; the variable of `httpPort` is `PATROLHUB_HTTP_PORT`. Order is that of the pages. */
export const HubSettings = Type.Object(
  {
    dataDir: text('Folder of everything the hub keeps: databases, evidence, secrets it made itself.', {
      default: './var/hub',
    }),
    httpHost: text('Address on which HTTP (dashboard, API, media) is served.', { default: '0.0.0.0' }),
    httpPort: port(8440, 'Port of HTTP, or HTTPS if a certificate is given; 0 takes a free one.'),
    mqttHost: text('Address on which edges reach the MQTT broker.', { default: '0.0.0.0' }),
    mqttPort: port(1884, 'Port of the MQTT broker, with TLS if a certificate is given; 0 takes a free one.'),
    broker: choice(
      ['aedes', 'mqtt'],
      'aedes',
      'MQTT broker of the edges: aedes runs inside the hub, mqtt is one of its own (MQTT 5, e.g. Mosquitto or EMQX), which several hubs share.',
    ),
    mqttUrl: Type.Optional(
      text('Address of the broker if it is mqtt: mqtt://host:1883, or mqtts://host:8883 with TLS.'),
    ),
    mqttUsername: text("The hub's own user at that broker.", { default: 'hub' }),
    mqttPassword: Type.Optional(text("Password of the hub's own user at that broker.", { secret: true })),
    mqttCaFile: Type.Optional(
      text('PEM file with the authority that signed the certificate of that broker, if it is a private one.'),
    ),
    mqttCredentials: choice(
      ['dynamic-security', 'manual'],
      'dynamic-security',
      "Who makes the edges' users at that broker: the hub, through Mosquitto's dynamic-security plugin, or you by hand.",
    ),
    tlsCertFile: Type.Optional(
      text('PEM file with the certificate chain. With it and tlsKeyFile, HTTP and MQTT use TLS only.'),
    ),
    tlsKeyFile: Type.Optional(text('PEM file with the private key of tlsCertFile.')),
    trustProxy: Type.Boolean({
      default: false,
      description:
        'Take the address of a caller from X-Forwarded-For: the last one, which your own reverse proxy added. Only behind one.',
    }),
    logLevel: choice(
      ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      'info',
      'How much is logged to standard output, as JSON lines.',
    ),
    rootScope: Type.Unsafe<string>({
      ...RegionCode,
      default: '4105',
      description: 'Division code that the first administrator is responsible for.',
    }),
    relational: choice(['sqlite', 'postgres'], 'sqlite', 'Engine of the relational store.'),
    postgresUrl: Type.Optional(
      text('Database of PostgreSQL 15 or newer, e.g. postgres://user:password@host:5432/patrolhub.', {
        secret: true,
      }),
    ),
    redisUrl: Type.Optional(
      text(
        'Redis through which several hubs on one database wake each other, e.g. redis://:password@redis:6379. Without it they hear of each other up to half a second later.',
        { secret: true },
      ),
    ),
    timeseries: choice(['duckdb', 'influxdb'], 'duckdb', 'Engine of the time-series store.'),
    influxUrl: Type.Optional(text('Base address of InfluxDB, e.g. http://influxdb:8086.')),
    influxToken: Type.Optional(
      text('Token of InfluxDB; for InfluxDB 1.x `user:password`.', { secret: true }),
    ),
    influxOrg: text('Organisation in InfluxDB; any word for InfluxDB 1.x.', { default: 'patrolhub' }),
    influxBucket: text('Bucket in InfluxDB; for InfluxDB 1.x the database.', { default: 'patrolhub' }),
    keepPassagesDays: days(90, 'How long each passage is kept; passages of a held or open incident stay.'),
    keepPlatesDays: days(
      30,
      'How long the plate of a passage is kept, hash and ciphertext; the passage stays without it. Plates of a held or open incident stay as long as their passage.',
    ),
    keepReadingsDays: days(90, 'How long each reading of a sensor is kept.'),
    keepScoresDays: days(30, 'How long each score of the anomaly model is kept.'),
    keepHealthDays: days(30, 'How long the health records of edges and cameras are kept.'),
    keepMinutesDays: days(400, 'How long passages, readings and scores summed up by minute are kept.'),
    keepHoursDays: days(3650, 'How long passages, readings and scores summed up by hour are kept.'),
    evidenceKeepDays: days(
      90,
      'How long snapshots, clips and photos are kept: counted from their arrival and from the last move of their incident, whichever is later. While the incident is open or held they stay.',
    ),
    evidenceWaitDays: days(
      7,
      'How long the hub waits for the bytes of evidence before it marks the record as missing them.',
    ),
    sessionHours: Type.Number({
      exclusiveMinimum: 0,
      maximum: 168,
      default: 12,
      unit: 'hours',
      description: 'How long a sign-in lasts.',
    }),
    requireSecondFactorFor: text(
      'Roles that need a second factor, with commas between; `none` for nobody. Whoever has none yet sets it up at the next sign-in. Composed roles need one if they have power over people or the record.',
      { default: 'supervisor,administrator,auditor' },
    ),
    plateHashKey: Type.Optional(
      text(
        'Key for the hashes of plates, 64 hexadecimal digits, the same as on the edges (`plates.hashKeyFile`). Without it nobody can look for a plate.',
        { secret: true },
      ),
    ),
    plateKeys: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 10_000,
        secret: true,
        description:
          'Keys with which edges encrypt plates (`plates.cipherKeyFile`), one a line or with commas between: `version:` and 64 hexadecimal digits. The greatest version is the current one. Without it nobody can read a plate in clear.',
      }),
    ),
    plateReadsPerHour: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 30,
      unit: 'plates',
      description: 'How many plates one account may read in clear within an hour; what is more is refused.',
    }),
    cloneMaxKmh: Type.Integer({
      minimum: 60,
      maximum: 1000,
      default: 200,
      unit: 'km/h',
      description:
        'A plate that gets from one checkpoint to another faster than this, in a straight line, is taken for cloned. Checkpoints without a position are not compared.',
    }),
    cloneClockSeconds: Type.Integer({
      minimum: 0,
      maximum: 3600,
      default: 60,
      description: 'What the clocks of two checkpoints may differ by in this.',
    }),
    cloneWindowMinutes: Type.Integer({
      minimum: 5,
      maximum: 1440,
      default: 180,
      unit: 'min',
      description:
        'For how long it is kept where a plate (its hash) has been; what comes later than this is not compared.',
    }),
    secretsKey: Type.Optional(
      text(
        'Key for the secrets that the hub keeps encrypted, 32 bytes or more in base64. Without it the hub makes one in its data folder. Hubs that share a database need the same.',
        { secret: true },
      ),
    ),
    sealKey: Type.Optional(
      text(
        'Private key (Ed25519, PEM) that seals the record of who did what: `openssl genpkey -algorithm ed25519`. Without it the hub makes one in its data folder. Hubs that share a database need the same.',
        { secret: true },
      ),
    ),
    sealEveryMinutes: Type.Number({
      exclusiveMinimum: 0,
      maximum: 1440,
      default: 10,
      unit: 'minutes',
      description: 'An entry of the record is sealed at the latest after this time.',
    }),
    sealEveryEntries: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 1000,
      unit: 'entries',
      description: 'The record is sealed at once when this many entries have come since the last seal.',
    }),
    markNoIncidentFrom: choice(
      ['public', 'controlled', 'restricted', 'never'],
      'controlled',
      'Sensitivity from which viewing a camera without an incident or an active emergency plan is marked for the auditor.',
    ),
    markManyCameras: Type.Integer({
      minimum: 0,
      maximum: 1000,
      default: 8,
      unit: 'cameras',
      description:
        'A viewing is marked if its user has looked at this many cameras within markManyMinutes; 0 for never.',
    }),
    markManyMinutes: Type.Integer({
      minimum: 1,
      maximum: 1440,
      default: 10,
      unit: 'minutes',
      description: 'Time in which markManyCameras counts.',
    }),
    markRepeatedLooks: Type.Integer({
      minimum: 0,
      maximum: 1000,
      default: 6,
      unit: 'grants',
      description:
        'A viewing is marked if its user has opened the same camera under this many grants within markRepeatedHours; 0 for never.',
    }),
    markRepeatedHours: Type.Integer({
      minimum: 1,
      maximum: 720,
      default: 24,
      unit: 'hours',
      description: 'Time in which markRepeatedLooks counts.',
    }),
    markLongMinutes: Type.Integer({
      minimum: 0,
      maximum: 1440,
      default: 60,
      unit: 'minutes',
      description: 'A viewing that lasts this long is marked; 0 for never.',
    }),
    exportKey: Type.Optional(
      text(
        'Key with which exported video is signed, Ed25519 as PEM. Without it the hub makes one in its data folder. Hubs that share a database should have the same.',
        { secret: true },
      ),
    ),
    oidcIssuer: Type.Optional(
      text("Address of the centre's OpenID Connect provider, e.g. https://sso.example/realms/centre."),
    ),
    oidcClientId: Type.Optional(text('Name of this hub at the provider.')),
    oidcClientSecret: Type.Optional(text('Secret of this hub at the provider.', { secret: true })),
    oidcName: text('What the sign-in page calls the provider.', { default: 'SSO' }),
    oidcRedirectUrl: Type.Optional(
      text('Address that the provider sends people back to: https://HUB/api/session/oidc/callback.'),
    ),
    oidcRoleClaim: text('Claim of the ID token that holds the roles or groups of a person.', {
      default: 'groups',
    }),
    oidcRoles: Type.Optional(
      text(
        'Which of them is which role here, e.g. `duty-desk=operator,shift-lead=supervisor`. The first that fits counts.',
      ),
    ),
    oidcScopeClaim: text('Claim of the ID token that holds the division code.', {
      default: 'patrolhub_scope',
    }),
    oidcCreateAccounts: Type.Boolean({
      default: false,
      description:
        'Make an account at the first sign-in; otherwise an administrator makes it, with the same user name.',
    }),
    oidcTrustSecondFactor: Type.Boolean({
      default: false,
      description:
        'Take it that the provider asks for a second factor. Otherwise the ID token has to say so (`amr`) for roles that need one.',
    }),
    dashboardDir: text('Folder of the built dashboard.', { default: 'dashboard/dist' }),
    formIncidentWindowSeconds: Type.Integer({
      minimum: 0,
      maximum: 86_400,
      default: 300,
      unit: 'seconds',
      description: 'An alert of the same device and rule within this time joins the open incident.',
    }),
    metricsToken: Type.Optional(
      text('If given, GET /metrics asks for it as a bearer token.', { secret: true }),
    ),
    mqttMaxConnections: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 2000,
      unit: 'connections',
      description: 'More MQTT connections than this are closed at once.',
    }),
    ingestMaxWaitingMb: Type.Integer({
      minimum: 2,
      maximum: 4096,
      default: 64,
      unit: 'MiB',
      description:
        'Batches waiting to be stored, all edges together; beyond its share of it an edge has to wait.',
    }),
    shutdownSeconds: Type.Number({
      minimum: 0.1,
      maximum: 120,
      default: 15,
      unit: 'seconds',
      description: 'How long a stop may take before the process ends anyway.',
    }),
  },
  { additionalProperties: false },
)
export type HubConfig = Readonly<Static<typeof HubSettings>>
export type HubSettingName = keyof HubConfig

export interface SettingDescription {
  name: HubSettingName
  variable: string
  description: string
  /** As it would be written into the environment; `undefined` if the setting has none. */
  defaultText: string | undefined
  unit: string
  isSecret: boolean
  values: string
}

/** Every setting in the order of the pages, for `--help` and the generated documents. */
export function describeSettings(): SettingDescription[] {
  return settingEntries().map(([name, schema]) => {
    const { description = '', unit = '', secret = false } = schema as SettingSchema
    return {
      name,
      variable: variableOf(name),
      description,
      defaultText: schema.default === undefined ? undefined : String(schema.default),
      unit,
      isSecret: secret,
      values: valuesOf(schema),
    }
  })
}

type SettingSchema = TSchema & {
  type?: string
  anyOf?: { const: string }[]
  default?: unknown
  description?: string
  unit?: string
  secret?: boolean
  minimum?: number
  exclusiveMinimum?: number
  maximum?: number
  pattern?: string
}

function settingEntries(): [HubSettingName, SettingSchema][] {
  return Object.entries(HubSettings.properties) as [HubSettingName, SettingSchema][]
}

function variableOf(name: string): string {
  return PREFIX + name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}

function valuesOf(schema: SettingSchema): string {
  if (schema.anyOf) return schema.anyOf.map((option) => option.const).join(', ')
  if (schema.type === 'boolean') return 'true, false'
  if (schema.type === 'string') return schema.pattern ? 'division code' : 'text'
  const low = schema.minimum ?? `more than ${schema.exclusiveMinimum}`
  return `${schema.type === 'integer' ? 'whole number' : 'number'}, ${low} to ${schema.maximum}`
}

/** A variable's text as the type that the schema asks for; text that does not convert stays text, for the check to name. */
function fromText(schema: SettingSchema, value: string): unknown {
  if (schema.type === 'integer' || schema.type === 'number') {
    return value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value
  }
  if (schema.type === 'boolean') return value === 'true' ? true : value === 'false' ? false : value
  return value
}

interface Source {
  env: Readonly<Record<string, string | undefined>>
  /** YAML file of `--config`. */
  file?: string | undefined
}

/**
 * Reads, checks and freezes the configuration. Throws HUB_CONFIG whose `details` list every problem there is, each
 * with the place it came from. An empty variable counts as not set. Secrets are never repeated in a problem.
 */
export function loadConfig(source: Source): HubConfig {
  const problems: string[] = []
  const fromFile = source.file === undefined ? {} : readSettingsFile(source.file, problems)
  const fromEnv = readVariables(source.env, problems)

  const values: Record<string, unknown> = {}
  for (const [name, schema] of settingEntries()) {
    const place = name in fromEnv ? variableOf(name) : `${name} in ${source.file}`
    const value = name in fromEnv ? fromEnv[name] : fromFile[name]
    if (value === undefined || value === null) {
      if (schema.default !== undefined) values[name] = schema.default
      continue
    }
    const checked = parser(schema)(value)
    if (checked.ok) values[name] = value
    else problems.push(`${place}: ${describeProblem(schema, value)}`)
  }
  problems.push(...crossChecks(values))
  if (problems.length > 0) {
    throw new HubError('HUB_CONFIG', 'the configuration is wrong', { details: problems })
  }

  const config = values as Static<typeof HubSettings>
  const usesDefaultDashboard = !('dashboardDir' in fromEnv) && !('dashboardDir' in fromFile)
  return Object.freeze({
    ...config,
    dataDir: resolve(config.dataDir),
    dashboardDir: resolve(usesDefaultDashboard ? REPOSITORY : '.', config.dashboardDir),
  })
}

function describeProblem(schema: SettingSchema, value: unknown): string {
  const shown = schema.secret ? 'the value' : JSON.stringify(value)
  return `${shown} is not allowed; expected ${valuesOf(schema)}`
}

function readSettingsFile(file: string, problems: string[]): Record<string, unknown> {
  let content: unknown
  try {
    content = parseYaml(readFileSync(file, 'utf8'))
  } catch (error) {
    problems.push(`${file}: ${(error as Error).message.split('\n')[0]}`)
    return {}
  }
  if (content === null || content === undefined) return {}
  if (typeof content !== 'object' || Array.isArray(content)) {
    problems.push(`${file}: must hold settings, one "name: value" a line`)
    return {}
  }
  for (const name of Object.keys(content)) {
    if (!(name in HubSettings.properties)) {
      problems.push(
        `${name} in ${file}: no such setting${suggestion(name, Object.keys(HubSettings.properties))}`,
      )
    }
  }
  return content as Record<string, unknown>
}

function readVariables(env: Source['env'], problems: string[]): Record<string, unknown> {
  const byVariable = new Map(settingEntries().map(([name, schema]) => [variableOf(name), { name, schema }]))
  const values: Record<string, unknown> = {}
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || value === undefined) continue
    const setting = byVariable.get(variable)
    const ofFile = variable.endsWith(FILE_SUFFIX)
      ? byVariable.get(variable.slice(0, -FILE_SUFFIX.length))
      : undefined
    if (setting) {
      if (value !== '') values[setting.name] = fromText(setting.schema, value)
    } else if (ofFile?.schema.secret) {
      if (value !== '') readSecret(variable, value, ofFile.name, { env, values, problems })
    } else if (!OTHERS.includes(variable) && !OTHER_PREFIXES.some((prefix) => variable.startsWith(prefix))) {
      problems.push(`${variable}: no such setting${suggestion(variable, [...byVariable.keys()])}`)
    }
  }
  return values
}

/** Puts the content of the file, without the line end, where the variable itself would stand. */
function readSecret(
  variable: string,
  file: string,
  name: HubSettingName,
  { env, values, problems }: { env: Source['env']; values: Record<string, unknown>; problems: string[] },
): void {
  if (env[variableOf(name)]) {
    problems.push(`${variableOf(name)} and ${variable}: give one of them`)
    return
  }
  try {
    const secret = readFileSync(file, 'utf8').trimEnd()
    if (secret === '') problems.push(`${variable}: ${file} is empty`)
    else values[name] = secret
  } catch (error) {
    problems.push(`${variable}: ${(error as Error).message}`)
  }
}

function crossChecks(values: Record<string, unknown>): string[] {
  const problems: string[] = []
  if ((values.tlsCertFile === undefined) !== (values.tlsKeyFile === undefined)) {
    problems.push(`${variableOf('tlsCertFile')} and ${variableOf('tlsKeyFile')}: give both or none`)
  }
  for (const name of ['tlsCertFile', 'tlsKeyFile', 'mqttCaFile'] as const) {
    const file = values[name]
    if (typeof file !== 'string') continue
    try {
      readFileSync(file)
    } catch (error) {
      problems.push(`${variableOf(name)}: ${(error as Error).message}`)
    }
  }
  if (values.broker === 'mqtt') {
    if (values.mqttUrl === undefined) {
      problems.push(`${variableOf('mqttUrl')}: needed because ${variableOf('broker')} is mqtt`)
    } else if (!/^mqtts?:\/\/[^/@]+$/.test(String(values.mqttUrl))) {
      problems.push(
        `${variableOf('mqttUrl')}: expected mqtt://host:port or mqtts://host:port, without user and password`,
      )
    }
    if (values.mqttPassword === undefined) {
      problems.push(`${variableOf('mqttPassword')}: needed because ${variableOf('broker')} is mqtt`)
    }
  }
  if (values.relational === 'postgres') {
    if (values.postgresUrl === undefined) {
      problems.push(`${variableOf('postgresUrl')}: needed because ${variableOf('relational')} is postgres`)
    } else if (!isPostgresUrl(String(values.postgresUrl))) {
      problems.push(`${variableOf('postgresUrl')}: expected postgres://user:password@host:port/database`)
    }
  }
  problems.push(...oidcProblems(values), ...plateProblems(values))
  if (values.timeseries === 'influxdb') {
    for (const name of ['influxUrl', 'influxToken'] as const) {
      if (values[name] === undefined) {
        problems.push(`${variableOf(name)}: needed because ${variableOf('timeseries')} is influxdb`)
      }
    }
  }
  return problems
}

/** All of the provider's settings or none; people are never sent over a network in the clear. */
function oidcProblems(values: Record<string, unknown>): string[] {
  const needed = ['oidcIssuer', 'oidcClientId', 'oidcClientSecret', 'oidcRedirectUrl', 'oidcRoles'] as const
  if (needed.every((name) => values[name] === undefined)) return []
  const problems = needed
    .filter((name) => values[name] === undefined)
    .map((name) => `${variableOf(name)}: needed for OpenID Connect`)
  for (const name of ['oidcIssuer', 'oidcRedirectUrl'] as const) {
    if (values[name] === undefined) continue
    const url = URL.parse(String(values[name]))
    const isLocal = url?.hostname === '127.0.0.1' || url?.hostname === 'localhost'
    if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && isLocal)) {
      problems.push(`${variableOf(name)}: expected an https address`)
    }
  }
  return problems
}

function plateProblems({ plateHashKey, plateKeys }: Record<string, unknown>): string[] {
  const ofHash = typeof plateHashKey === 'string' ? hashKeyProblem(plateHashKey) : undefined
  const ofKeys = typeof plateKeys === 'string' ? readPlateKeys(plateKeys).problems : []
  return [
    ...(ofHash === undefined ? [] : [`${variableOf('plateHashKey')}: ${ofHash}`]),
    ...ofKeys.map((problem) => `${variableOf('plateKeys')}: ${problem}`),
  ]
}

function isPostgresUrl(value: string): boolean {
  const url = URL.parse(value)
  return url !== null && /^postgres(ql)?:$/.test(url.protocol) && url.pathname.length > 1
}

/** ` (did you mean X?)` for the closest name, if it is close. */
function suggestion(wrong: string, names: readonly string[]): string {
  const [closest] = names
    .map((name) => ({ name, distance: editDistance(wrong.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  return closest && closest.distance <= 4 ? ` (did you mean ${closest.name}?)` : ''
}

/** Levenshtein distance: fewest single-character insertions, deletions and replacements. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, replaced))
    }
    previous = row
  }
  return previous[b.length]!
}
