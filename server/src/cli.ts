/** What may stand behind `node server/src/main.ts`, and the commands that work on a data folder beside a running hub. */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { levelOf, NewEdge, NewTeam, NewUser, type Parsed, parser } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { accessFeature } from './access/access-feature.ts'
import { explanationText, type Question } from './access/explain.ts'
import { edgeCredentials } from './adapters/broker/open.ts'
import { openRelational } from './adapters/relational/open.ts'
import { auditFeature } from './audit/audit-feature.ts'
import { ChangeLog } from './changes/changes.ts'
import { AUDIT_USAGE, type AuditCommand, parseAuditCommand } from './cli-audit.ts'
import { EXPORT_USAGE, type ExportCommand, parseExportCommand } from './cli-export.ts'
import { PLATES_USAGE, type PlatesCommand, parsePlatesCommand } from './cli-plates.ts'
import { STORAGE_USAGE, type StorageCommand } from './cli-storage.ts'
import { describeSettings, type HubConfig } from './config.ts'
import { makeDataFolder, requireStore } from './data-folder.ts'
import { addEdge } from './devices/devices.ts'
import { renewEdge, revokeEdge } from './devices/edge-access.ts'
import { createTeam } from './dispatch/teams.ts'
import { HubError } from './errors.ts'

export type Command =
  | { kind: 'serve' }
  | { kind: 'help' }
  | { kind: 'edge add'; edge: NewEdge }
  | { kind: 'edge renew'; edgeId: string }
  | { kind: 'edge revoke'; edgeId: string }
  | { kind: 'user add'; user: NewUser; teams: string[] }
  | { kind: 'team add'; team: NewTeam }
  | AuditCommand
  | ExportCommand
  | StorageCommand
  | PlatesCommand
  | { kind: 'access explain'; question: Question }

export interface Invocation {
  command: Command
  configFile: string | undefined
}

const USAGE = `Usage: node server/src/main.ts [--config FILE] [command]

Without a command the hub starts. The commands work on the data folder, also while a hub runs on it:
  edge add ID --name NAME --region CODE                 make an edge's credential; prints its token once
  edge renew ID                                         give an edge a new token, once; the old one opens nothing any more
  edge revoke ID                                        let an edge in no more; what it has sent stays
  user add NAME --role ROLE --scope CODE --name "FULL NAME" [--team TEAM …]
                                                        make an account; prints a one-time password
  team add --name NAME --region CODE --kind professional|cadre|volunteer
                                                        make a patrol team; prints its id
${AUDIT_USAGE}
${EXPORT_USAGE}
  access explain --user NAME --action PERMISSION [--camera ID | --region CODE]
                                                        say why somebody may or may not do something
${PLATES_USAGE}
${STORAGE_USAGE}
  --help                                                this page

Settings are taken from the environment, then from the YAML file of --config, then from the defaults:`

/** The text of `--help`. */
export function helpText(): string {
  const settings = describeSettings().map(
    ({ variable, description, defaultText, unit, values, isSecret }) => {
      const facts = [
        values,
        unit && `in ${unit}`,
        defaultText === undefined ? 'no default' : `default ${defaultText}`,
        isSecret && 'secret',
      ].filter(Boolean)
      return `  ${variable}\n      ${description}\n      ${facts.join('; ')}`
    },
  )
  return `${USAGE}\n\n${settings.join('\n')}\n`
}

/** Reads the arguments. Throws HUB_USAGE that says what is wrong. */
export function parseInvocation(args: readonly string[]): Invocation {
  const { values, positionals } = readArguments(args)
  const configFile = values.config
  if (values.help) return { command: { kind: 'help' }, configFile }
  const [thing, verb, ...rest] = positionals
  const words = [thing, verb].filter(Boolean).join(' ')
  switch (words) {
    case '':
      return { command: { kind: 'serve' }, configFile }
    case 'edge add': {
      const [edgeId] = takePositionals(words, rest, ['ID'])
      const edge = check(words, parser(NewEdge), { edgeId, name: values.name, region: values.region })
      return { command: { kind: 'edge add', edge }, configFile }
    }
    case 'edge renew':
    case 'edge revoke': {
      const [edgeId] = takePositionals(words, rest, ['ID'])
      return { command: { kind: words, edgeId: edgeId! }, configFile }
    }
    case 'user add': {
      const [username] = takePositionals(words, rest, ['NAME'])
      const user = check(words, parser(NewUser), {
        username,
        displayName: values.name ?? username,
        role: values.role,
        scope: values.scope,
      })
      return { command: { kind: 'user add', user, teams: values.team ?? [] }, configFile }
    }
    case 'team add': {
      takePositionals(words, rest, [])
      const team = check(words, parser(NewTeam), {
        name: values.name,
        region: values.region,
        kind: values.kind ?? 'professional',
      })
      return { command: { kind: 'team add', team }, configFile }
    }
    case 'access explain': {
      takePositionals(words, rest, [])
      const { user: username, action, camera: cameraId, region } = values
      if (username === undefined || action === undefined) {
        throw new HubError('HUB_USAGE', `"${words}" needs --user and --action; see --help`)
      }
      return {
        command: { kind: 'access explain', question: { username, action, cameraId, region } },
        configFile,
      }
    }
    case 'backup':
    case 'restore': {
      const option = words === 'backup' ? 'to' : 'from'
      const folder = values[option]
      if (!folder) throw new HubError('HUB_USAGE', `"${words}" needs --${option} FOLDER; see --help`)
      const dataDir = values.data === undefined ? undefined : resolve(values.data)
      const command: StorageCommand =
        words === 'backup'
          ? { kind: 'backup', to: resolve(folder), dataDir }
          : { kind: 'restore', from: resolve(folder), dataDir }
      return { command, configFile }
    }
    case 'doctor': {
      const dataDir = values.data === undefined ? undefined : resolve(values.data)
      const isFull = values.full === true
      return { command: { kind: 'doctor', isFull, asJson: values.json === true, dataDir }, configFile }
    }
    default:
      if (thing === 'audit' && verb !== undefined) {
        return { command: parseAuditCommand(verb, rest, values), configFile }
      }
      if (thing === 'plates' && verb !== undefined) {
        return { command: parsePlatesCommand(verb, rest, values), configFile }
      }
      if (thing === 'export' && verb !== undefined) {
        return { command: parseExportCommand(verb, rest, values.key), configFile }
      }
      throw new HubError('HUB_USAGE', `there is no command "${words}"; see --help`)
  }
}

function readArguments(args: readonly string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        config: text,
        data: text,
        out: text,
        key: text,
        'since-seal': text,
        lost: { type: 'boolean' },
        rehash: { type: 'boolean' },
        to: text,
        from: text,
        full: { type: 'boolean' },
        json: { type: 'boolean' },
        name: text,
        region: text,
        role: text,
        scope: text,
        kind: text,
        user: text,
        action: text,
        camera: text,
        team: { type: 'string', multiple: true },
      },
    })
  } catch (error) {
    throw new HubError('HUB_USAGE', `${(error as Error).message}; see --help`, { cause: error })
  }
}

function takePositionals(command: string, given: readonly string[], names: readonly string[]): string[] {
  if (given.length === names.length) return [...given]
  const expected = names.length === 0 ? 'takes no further words' : `needs ${names.join(' ')}`
  throw new HubError('HUB_USAGE', `"${command}" ${expected}; see --help`)
}

function check<T>(command: string, parse: (input: unknown) => Parsed<T>, input: Record<string, unknown>): T {
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
  const parsed = parse(given)
  if (parsed.ok) return parsed.value
  throw new HubError('HUB_USAGE', `"${command}" was not given what it needs; see --help`, {
    details: parsed.problems,
  })
}

/** Throws HUB_DATA_DIR if the folder cannot be used, or if there is nothing in it that could be asked. */
function prepareFolder(command: Command['kind'], { relational, dataDir }: HubConfig): void {
  if (command === 'access explain') requireStore({ relational, dataDir })
  if (relational === 'sqlite') makeDataFolder(dataDir)
}

/** Runs a command against the data folder; answers what to print. Does not take the hub's lock. */
export async function runCommand(
  command: Exclude<
    Command,
    AuditCommand | ExportCommand | StorageCommand | PlatesCommand | { kind: 'serve' | 'help' }
  >,
  config: HubConfig,
  log: Logger,
): Promise<string> {
  prepareFolder(command.kind, config)
  const relational = await openRelational(config, log)
  try {
    const audit = auditFeature({ config, relational })
    const credentials = edgeCredentials(config)
    switch (command.kind) {
      case 'edge add': {
        const { edge, token } = await addEdge(
          { relational, audit, changes: new ChangeLog(), credentials },
          command.edge,
          undefined,
        )
        return `edge ${edge.edgeId} in region ${edge.region} (${levelOf(edge.region)})\ntoken: ${token}\n`
      }
      case 'edge renew': {
        const token = await renewEdge({ relational, audit, credentials }, command.edgeId, undefined)
        return `token: ${token}\n`
      }
      case 'edge revoke':
        await revokeEdge({ relational, audit, credentials }, command.edgeId, undefined)
        return `edge ${command.edgeId} is let in no more\n`
      case 'user add': {
        const access = accessFeature({ config, relational, audit, log })
        const teamIds = command.teams
        const { user, oneTimePassword } = await access.createUser(undefined, {
          ...command.user,
          ...(teamIds.length > 0 ? { teamIds } : {}),
        })
        return `user ${user.username} (${user.role}, scope ${user.scope})\none-time password: ${oneTimePassword}\n`
      }
      case 'team add': {
        const team = await createTeam({ relational, audit }, undefined, command.team)
        return `team ${team.name} in region ${team.region}\nid: ${team.teamId}\n`
      }
      case 'access explain': {
        const access = accessFeature({ config, relational, audit, log })
        return explanationText(await access.explain(command.question))
      }
    }
  } finally {
    await relational.close()
  }
}
