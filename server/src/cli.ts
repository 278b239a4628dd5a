/** What may stand behind `node server/src/main.ts`, and the commands that work on a data folder beside a running hub. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { levelOf, NewEdge, NewTeam, NewUser, type Parsed, parser } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { accessFeature } from './access/access-feature.ts'
import { openRelational } from './adapters/relational/open.ts'
import { auditFeature } from './audit/audit-feature.ts'
import { ChangeLog } from './changes/changes.ts'
import { describeSettings, type HubConfig } from './config.ts'
import { makeDataFolder } from './data-folder.ts'
import { addEdge } from './devices/devices.ts'
import { createTeam } from './dispatch/teams.ts'
import { HubError } from './errors.ts'

export type Command =
  | { kind: 'serve' }
  | { kind: 'help' }
  | { kind: 'edge add'; edge: NewEdge }
  | { kind: 'user add'; user: NewUser; teams: string[] }
  | { kind: 'team add'; team: NewTeam }
  | { kind: 'audit verify' }

export interface Invocation {
  command: Command
  configFile: string | undefined
}

const USAGE = `Usage: node server/src/main.ts [--config FILE] [command]

Without a command the hub starts. The commands work on the data folder, also while a hub runs on it:
  edge add ID --name NAME --region CODE                 make an edge's credential; prints its token once
  user add NAME --role ROLE --scope CODE --name "FULL NAME" [--team TEAM …]
                                                        make an account; prints a one-time password
  team add --name NAME --region CODE --kind professional|cadre|volunteer
                                                        make a patrol team; prints its id
  audit verify                                          check the record of who did what; names the first broken entry
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
    case 'audit verify':
      takePositionals(words, rest, [])
      return { command: { kind: 'audit verify' }, configFile }
    default:
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
        name: text,
        region: text,
        role: text,
        scope: text,
        kind: text,
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

/** Throws HUB_DATA_DIR if the folder cannot be used, or if there is nothing in it that could be checked. */
function prepareFolder(command: Command['kind'], { relational, dataDir }: HubConfig): void {
  if (relational !== 'sqlite') return
  if (command === 'audit verify' && !existsSync(join(dataDir, 'hub.sqlite'))) {
    throw new HubError(
      'HUB_DATA_DIR',
      `there is no hub.sqlite in ${dataDir}: name the hub's folder with PATROLHUB_DATA_DIR`,
    )
  }
  makeDataFolder(dataDir)
}

/** Runs a command against the data folder; answers what to print. Does not take the hub's lock. */
export async function runCommand(
  command: Exclude<Command, { kind: 'serve' | 'help' }>,
  config: HubConfig,
  log: Logger,
): Promise<string> {
  prepareFolder(command.kind, config)
  const relational = await openRelational(config, log)
  try {
    const audit = auditFeature({ config, relational })
    switch (command.kind) {
      case 'edge add': {
        const { edge, token } = await addEdge(
          { relational, audit, changes: new ChangeLog() },
          command.edge,
          undefined,
        )
        return `edge ${edge.edgeId} in region ${edge.region} (${levelOf(edge.region)})\ntoken: ${token}\n`
      }
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
      case 'audit verify': {
        const result = await audit.verify()
        if (result.ok) return `the record is whole: ${result.entries} entries\n`
        throw new HubError('HUB_AUDIT_BROKEN', result.reason)
      }
    }
  } finally {
    await relational.close()
  }
}
