/**
 * The configuration of one edge: a YAML (or JSON) file, checked whole before anything starts. What comes out is
 * frozen, has every default filled in, secrets read from their files and paths made absolute.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { covers } from '@patrolhub/protocol'
import { Value } from 'typebox/value'
import { LineCounter, parseDocument } from 'yaml'
import type { MappingConfig } from './config/mapping-schema.ts'
import { overlay } from './config/overlay.ts'
import { problemsOf, withLine } from './config/problems.ts'
import type { RuleConfig } from './config/rules.ts'
import { type CameraConfig, type CheckpointConfig, EdgeFile, type SensorConfig } from './config/schema.ts'
import { EdgeError } from './errors.ts'
import { mappingProblems } from './intake/mapping.ts'
import { formatFor } from './judge/schedule.ts'

export { MappingConfig } from './config/mapping-schema.ts'
export { type ConfigRow, describeConfig } from './config/reference.ts'
export type { IntrusionRuleConfig, RuleConfig } from './config/rules.ts'
export {
  CameraConfig,
  CheckpointConfig,
  SensorConfig,
  SignalRuleConfig,
  SilenceRuleConfig,
} from './config/schema.ts'

export interface DeviceCredential {
  deviceId: string
  username: string
  password: string
  /** Its 20-digit id in GA/T 1400, if it may register by HTTP. */
  viidDeviceId?: string
}

/** A broker of a site that the edge takes messages from. */
export interface SiteBrokerConfig {
  url: string
  clientId: string
  username?: string
  password?: string
  /** PEM. */
  ca?: string
  topics: readonly { topic: string; deviceId: string }[]
}

export type IntakeTiming = EdgeFile['intake']['timing']
export type QuarantineConfig = EdgeFile['intake']['quarantine']
export type PictureConfig = EdgeFile['intake']['pictures']
export type ViidConfig = NonNullable<EdgeFile['intake']['viid']>

/** What the plates of passages are protected with. */
export interface PlateKeys {
  /** 32 bytes. */
  hashKey?: Buffer
  /** 32 bytes and the number that stands before every ciphertext made with it. */
  cipherKey?: { version: number; key: Buffer }
}

export interface EdgeConfig {
  readonly edgeId: string
  readonly name?: string
  readonly region: string
  /** Absolute. */
  readonly dataDir: string
  readonly logLevel: EdgeFile['logLevel']
  readonly hub: {
    readonly url: string
    readonly mqttUrl: string
    readonly token: string
    /** PEM; for MQTT, evidence and the relay alike. */
    readonly ca?: string
  }
  readonly detector: Readonly<EdgeFile['detector']>
  readonly intake: {
    readonly host: string
    readonly port: number
    readonly maxMessageBytes: number
    readonly devices: readonly DeviceCredential[]
    readonly viid?: ViidConfig
    readonly brokers: readonly SiteBrokerConfig[]
    readonly timing: IntakeTiming
    readonly quarantine: QuarantineConfig
    readonly pictures: PictureConfig
  }
  readonly plates: PlateKeys
  readonly journal: Readonly<EdgeFile['journal']>
  readonly recording: Readonly<EdgeFile['recording']>
  readonly healthSeconds: number
  readonly cameras: readonly CameraConfig[]
  readonly checkpoints: readonly CheckpointConfig[]
  readonly sensors: readonly SensorConfig[]
  readonly mappings: readonly MappingConfig[]
}

/** What an edge takes from its environment: where models lie on this machine. */
export interface EdgeEnvironment {
  /** PATROLHUB_MODELS */
  modelsPath: string | undefined
  /** PATROLHUB_CACHE */
  cachePath: string | undefined
}

export function edgeEnvironment(variables: NodeJS.ProcessEnv = process.env): EdgeEnvironment {
  return { modelsPath: variables.PATROLHUB_MODELS, cachePath: variables.PATROLHUB_CACHE }
}

/**
 * Reads and checks a configuration file; `settings` of the hub are laid over it.
 * @throws EdgeError EDGE_CONFIG with every problem in `details`.
 */
export function loadEdgeConfig(file: string, settings?: string): EdgeConfig {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw wrong(file, [`(file): cannot be read (${(error as Error).message})`])
  }
  return parseEdgeConfig(text, settings === undefined ? { file } : { file, settings })
}

/** As `loadEdgeConfig`, from text; `file` gives the folder that relative paths start from. */
export function parseEdgeConfig(
  text: string,
  { file, settings: fromHub }: { file: string; settings?: string },
): EdgeConfig {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  let input: unknown
  try {
    if (document.errors[0]) throw document.errors[0]
    input = document.toJS()
  } catch (error) {
    throw wrong(file, [`(file): is not YAML (${(error as Error).message.split('\n')[0]})`])
  }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw wrong(file, ['(file): must be a group of settings'])
  }
  const { merged, problems: ofHub } =
    fromHub === undefined
      ? { merged: input, problems: [] }
      : overlay(input as Record<string, unknown>, fromHub)
  const filled = Value.Default(EdgeFile, Value.Clone(merged))
  const problems = [...ofHub, ...problemsOf(EdgeFile, filled)]
  const folder = dirname(resolve(file))
  // The checks across settings run on whatever has the right form, so that one pass over the file shows everything.
  const settings = filled as EdgeFile
  problems.push(...attempt(() => crossProblems(settings)))
  const secrets = new SecretReader(folder, problems)
  const token = attemptValue(() =>
    secrets.oneOf('hub', settings.hub.token, 'token', settings.hub.tokenFile, 'tokenFile'),
  )
  const ca = attemptValue(() => secrets.file('hub/caFile', settings.hub.caFile))
  const devices = attemptValue(() =>
    settings.intake.devices.map((device, index) => ({
      deviceId: device.deviceId,
      username: device.username ?? device.deviceId,
      ...(device.viidDeviceId === undefined ? {} : { viidDeviceId: device.viidDeviceId }),
      password:
        secrets.oneOf(
          `intake/devices/${index}`,
          device.password,
          'password',
          device.passwordFile,
          'passwordFile',
        ) ?? '',
    })),
  )
  const brokers = attemptValue(() => siteBrokers(settings, secrets))
  const plates = attemptValue(() => plateKeys(settings, secrets))
  if (problems.length > 0) {
    throw wrong(
      file,
      problems.map((problem) => withLine(problem, document, lines)),
    )
  }
  const { viid, timing, quarantine, pictures } = settings.intake
  return deepFreeze({
    edgeId: settings.edgeId,
    ...(settings.name === undefined ? {} : { name: settings.name }),
    region: settings.region,
    dataDir: resolve(folder, settings.dataDir),
    logLevel: settings.logLevel,
    hub: {
      url: settings.hub.url.replace(/\/+$/, ''),
      mqttUrl: settings.hub.mqttUrl,
      token: token!,
      ...(ca === undefined ? {} : { ca }),
    },
    detector: {
      ...settings.detector,
      modelFolders: settings.detector.modelFolders.map((path) => resolve(folder, path)),
    },
    intake: {
      host: settings.intake.host,
      port: settings.intake.port,
      maxMessageBytes: settings.intake.maxMessageBytes,
      devices: devices!,
      ...(viid === undefined ? {} : { viid }),
      brokers: brokers!,
      timing,
      quarantine,
      pictures,
    },
    plates: plates!,
    journal: settings.journal,
    recording: settings.recording,
    healthSeconds: settings.healthSeconds,
    cameras: settings.cameras,
    checkpoints: settings.checkpoints,
    sensors: settings.sensors,
    mappings: settings.mappings,
  })
}

function wrong(file: string, problems: string[]): EdgeError {
  return new EdgeError('EDGE_CONFIG', `The configuration ${file} has ${problems.length} problem(s).`, {
    details: problems,
  })
}

/** What the schema cannot say: regions inside the edge's, ids once, devices that exist. */
function crossProblems(settings: EdgeFile): string[] {
  const problems: string[] = []
  const { inputWidthPx, inputHeightPx } = settings.detector ?? {}
  if ((inputWidthPx === undefined) !== (inputHeightPx === undefined)) {
    problems.push('detector: inputWidthPx and inputHeightPx are set together or not at all')
  }
  const seen = new Map<string, string>()
  const groups = [
    { key: 'cameras', idKey: 'cameraId', items: settings.cameras },
    { key: 'checkpoints', idKey: 'checkpointId', items: settings.checkpoints },
    { key: 'sensors', idKey: 'sensorId', items: settings.sensors },
  ] as const
  for (const { key, idKey, items } of groups) {
    for (const [index, item] of (Array.isArray(items) ? items : []).entries()) {
      const place = `${key}/${index}`
      const id = (item as Record<string, unknown>)?.[idKey]
      if (typeof id === 'string') {
        const before = seen.get(id)
        if (before) problems.push(`${place}/${idKey}: ${id} is already the id of ${before}`)
        else seen.set(id, place)
      }
      const region = item?.region
      if (
        typeof region === 'string' &&
        typeof settings.region === 'string' &&
        !covers(settings.region, region)
      ) {
        problems.push(`${place}/region: ${region} lies outside ${settings.region}, the region of this edge`)
      }
    }
  }
  problems.push(...attempt(() => cameraProblems(settings.cameras)))
  problems.push(...attempt(() => trafficProblems(settings.checkpoints)))
  problems.push(...attempt(() => mappingProblemsOf(settings)))
  problems.push(...attempt(() => siteBrokerProblems(settings, seen)))
  const users = new Set<string>()
  const viidIds = new Set<string>()
  for (const [index, device] of (settings.intake?.devices ?? []).entries()) {
    const place = `intake/devices/${index}`
    if (typeof device?.deviceId !== 'string') continue
    if (!/^(checkpoints|sensors)/.test(seen.get(device.deviceId) ?? '')) {
      problems.push(`${place}/deviceId: no checkpoint or sensor has the id ${device.deviceId}`)
    }
    const username = device.username ?? device.deviceId
    if (users.has(username)) problems.push(`${place}/username: ${username} is used twice`)
    users.add(username)
    const { viidDeviceId } = device
    if (viidDeviceId === undefined) continue
    if (viidIds.has(viidDeviceId)) problems.push(`${place}/viidDeviceId: ${viidDeviceId} is used twice`)
    viidIds.add(viidDeviceId)
    if (!seen.get(device.deviceId)?.startsWith('checkpoints')) {
      problems.push(`${place}/viidDeviceId: ${device.deviceId} is no checkpoint`)
    }
  }
  return problems
}

/** Limits that never apply, and lanes that are named twice or do not exist. */
function trafficProblems(checkpoints: readonly CheckpointConfig[]): string[] {
  const problems: string[] = []
  for (const [index, { lanes, traffic }] of checkpoints.entries()) {
    const place = `checkpoints/${index}/traffic`
    const limits = traffic.speeding?.limits ?? []
    const general = limits.findIndex((limit) => !limit.lanes && !limit.classes)
    for (let after = general + 1; general >= 0 && after < limits.length; after += 1) {
      const why = `limits/${general} is for every vehicle, and the first that fits counts; put it last`
      problems.push(`${place}/speeding/limits/${after}: never applies, since ${why}`)
    }
    const named = traffic.wrongWay?.lanes.map(({ lane }) => lane) ?? []
    for (const [at, lane] of named.entries()) {
      if (named.indexOf(lane) < at)
        problems.push(`${place}/wrongWay/lanes/${at}/lane: ${lane} is named twice`)
    }
    for (const lane of new Set([...named, ...limits.flatMap((limit) => limit.lanes ?? [])])) {
      if (lane > lanes) problems.push(`${place}: there is no lane ${lane}, the checkpoint has ${lanes}`)
    }
  }
  return problems
}

/** Mappings that can be compiled, and devices that name one of the right kind. */
function mappingProblemsOf(settings: EdgeFile): string[] {
  const problems: string[] = []
  const outputs = new Map<string, string>()
  for (const [index, mapping] of settings.mappings.entries()) {
    const place = `mappings/${index}`
    if (outputs.has(mapping.mappingId)) {
      problems.push(`${place}/mappingId: ${mapping.mappingId} is used twice`)
    }
    outputs.set(mapping.mappingId, mapping.output)
    problems.push(
      ...attempt(() => mappingProblems(mapping).map(({ place: inner, why }) => `${place}/${inner}: ${why}`)),
    )
  }
  const groups = [
    { key: 'checkpoints', items: settings.checkpoints, output: 'passages' },
    { key: 'sensors', items: settings.sensors, output: 'readings' },
  ] as const
  for (const { key, items, output } of groups) {
    for (const [index, { mapping }] of items.entries()) {
      if (mapping === undefined || outputs.get(mapping) === output) continue
      problems.push(`${key}/${index}/mapping: there is no mapping ${mapping} whose output is ${output}`)
    }
  }
  return problems
}

/** Topics that are read once, of devices that exist. */
function siteBrokerProblems(settings: EdgeFile, devices: ReadonlyMap<string, string>): string[] {
  const problems: string[] = []
  for (const [index, { topics }] of settings.intake.brokers.entries()) {
    const known = new Set<string>()
    for (const [number, { topic, deviceId }] of topics.entries()) {
      const place = `intake/brokers/${index}/topics/${number}`
      if (known.has(topic)) problems.push(`${place}/topic: ${topic} is named twice`)
      known.add(topic)
      if (!/^(checkpoints|sensors)/.test(devices.get(deviceId) ?? '')) {
        problems.push(`${place}/deviceId: no checkpoint or sensor has the id ${deviceId}`)
      }
    }
  }
  return problems
}

function siteBrokers(settings: EdgeFile, secrets: SecretReader): SiteBrokerConfig[] {
  return settings.intake.brokers.map(({ passwordFile, caFile, ...broker }, index) => {
    const place = `intake/brokers/${index}`
    const password = secrets.file(`${place}/passwordFile`, passwordFile)
    const ca = secrets.file(`${place}/caFile`, caFile)
    return {
      ...broker,
      ...(password === undefined ? {} : { password }),
      ...(ca === undefined ? {} : { ca }),
    }
  })
}

/** Time zones that exist, areas and lines that can be met. */
function cameraProblems(cameras: readonly CameraConfig[]): string[] {
  const problems: string[] = []
  for (const [index, { rules = [] }] of (Array.isArray(cameras) ? cameras : []).entries()) {
    if (rules.filter((rule: RuleConfig) => rule.kind === 'unusual').length > 1) {
      problems.push(`cameras/${index}/rules: a camera learns once: there is more than one rule \`unusual\``)
    }
    for (const [number, rule] of rules.entries()) {
      const place = `cameras/${index}/rules/${number}`
      for (const [window, { timeZone, from, to }] of (rule.schedule ?? []).entries()) {
        const at = `${place}/schedule/${window}`
        if (!isTimeZone(timeZone)) problems.push(`${at}/timeZone: there is no time zone ${timeZone}`)
        if (from !== undefined && from === to) problems.push(`${at}: begins and ends at ${from}`)
      }
      if ('minArea' in rule && rule.minArea >= rule.maxArea) {
        problems.push(`${place}/minArea: ${rule.minArea} is not below maxArea ${rule.maxArea}`)
      }
      const ends = 'line' in rule ? rule.line : 'allowed' in rule ? rule.allowed : undefined
      if (ends?.length === 2 && ends[0]![0] === ends[1]![0] && ends[0]![1] === ends[1]![1]) {
        problems.push(`${place}/${'line' in rule ? 'line' : 'allowed'}: both points are the same`)
      }
    }
  }
  return problems
}

function isTimeZone(name: string | undefined): boolean {
  if (typeof name !== 'string') return true
  try {
    formatFor(name)
    return true
  } catch {
    return false
  }
}

function plateKeys(settings: EdgeFile, secrets: SecretReader): PlateKeys {
  const keys: PlateKeys = {}
  const hash = secrets.file('plates/hashKeyFile', settings.plates.hashKeyFile)
  if (hash !== undefined) {
    if (/^[0-9a-f]{64}$/i.test(hash)) keys.hashKey = Buffer.from(hash, 'hex')
    else secrets.problem('plates/hashKeyFile: must hold 64 hexadecimal digits')
  }
  const cipher = secrets.file('plates/cipherKeyFile', settings.plates.cipherKeyFile)
  if (cipher !== undefined) {
    const match = /^(?:(\d{1,6}):)?([0-9a-f]{64})$/i.exec(cipher)
    if (match) keys.cipherKey = { version: Number(match[1] ?? 1), key: Buffer.from(match[2]!, 'hex') }
    else
      secrets.problem('plates/cipherKeyFile: must hold 64 hexadecimal digits, or `version:` and the digits')
  }
  return keys
}

/** Takes secrets from their files and notes what is wrong with them. */
class SecretReader {
  readonly #folder: string
  readonly #problems: string[]

  constructor(folder: string, problems: string[]) {
    this.#folder = folder
    this.#problems = problems
  }

  problem(text: string): void {
    this.#problems.push(text)
  }

  /** The trimmed content of a file; `undefined` if none is named or it cannot be read. */
  file(place: string, path: string | undefined): string | undefined {
    if (path === undefined) return undefined
    try {
      const content = readFileSync(resolve(this.#folder, path), 'utf8').trim()
      if (content === '') this.problem(`${place}: ${path} is empty`)
      return content
    } catch (error) {
      this.problem(`${place}: cannot be read (${(error as Error).message})`)
      return undefined
    }
  }

  /** The secret from exactly one of two settings. */
  oneOf(
    place: string,
    value: string | undefined,
    valueKey: string,
    path: string | undefined,
    pathKey: string,
  ): string | undefined {
    if ((value === undefined) === (path === undefined)) {
      this.problem(`${place}: needs ${valueKey} or ${pathKey}${value === undefined ? '' : ', not both'}`)
      return undefined
    }
    return value ?? this.file(`${place}/${pathKey}`, path)
  }
}

/** A cross-check over settings of the wrong form has nothing to add: the schema has already said what is wrong. */
function attempt(check: () => string[]): string[] {
  return attemptValue(check) ?? []
}

function attemptValue<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    // A Buffer cannot be frozen; nobody but the plate cloak gets to see the keys.
    if (typeof inner === 'object' && inner !== null && !ArrayBuffer.isView(inner)) deepFreeze(inner)
  }
  return Object.freeze(value)
}
