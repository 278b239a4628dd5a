/**
 * Who uses the demo: made once on a fresh hub, through the hub's own command and interface. The set-up account and the
 * watcher belong to the demo itself; the other three sign-ins are printed, each with a password that works once.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { CreatedEdge, CreatedUser, NewUser, Team } from '@patrolhub/protocol'
import { EDGE_ID } from './edge-file.ts'
import { HubClient } from './hub-client.ts'
import { CITY, COUNTY, REGION_NAMES, STREET } from './scenes.ts'

const execute = promisify(execFile)

export interface SignIn {
  username: string
  /** One-time for people; the watcher and the set-up account have chosen theirs. */
  password: string
}

export interface People {
  administrator?: SignIn
  operator: SignIn
  patroller: SignIn
  /** Administrator, used by the demo to make the others and to read the hub's counts. */
  setup: SignIn
  /** Operator over everything, used by the demo to see alerts arrive. */
  watcher: SignIn
}

export interface HubCommand {
  mainFile: string
  cwd: string
  env: NodeJS.ProcessEnv
}

const PASSWORD = /\b[A-Za-z0-9]{5}(?:-[A-Za-z0-9]{5}){3}\b/
const COMMAND_TIMEOUT_MS = 60_000

/** Makes the set-up account by the hub's command line, which works on the data folder of a running hub. */
async function addSetupUser({ mainFile, cwd, env }: HubCommand): Promise<SignIn> {
  const username = 'demo-setup'
  const name = ['--name', 'Demo set-up']
  const args = [mainFile, 'user', 'add', username, '--role', 'administrator', '--scope', CITY, ...name]
  const { stdout } = await execute(process.execPath, args, { cwd, env, timeout: COMMAND_TIMEOUT_MS })
  const password = PASSWORD.exec(stdout)?.[0]
  if (password === undefined) throw new Error(`\`user add\` printed no one-time password:\n${stdout}`)
  return { username, password }
}

/** The set-up account on a fresh hub, signed in: what makes everything else. */
export async function openSetup(
  baseUrl: string,
  command: HubCommand,
): Promise<{ signIn: SignIn; client: HubClient }> {
  return takeOver(baseUrl, await addSetupUser(command))
}

/** Makes the edge's credential; answers its token. */
export async function addEdge(setup: HubClient): Promise<string> {
  const edge = { edgeId: EDGE_ID, name: '演示边缘节点 Demo edge', region: COUNTY }
  const { token } = await setup.request<CreatedEdge>('POST', '/api/edges', edge)
  return token
}

export interface AddedPeople {
  operator: SignIn
  patroller: SignIn
  watcher: SignIn
  watcherClient: HubClient
}

/** Names the regions, makes a team, and the users who work with them. */
export async function addPeople(baseUrl: string, setup: HubClient): Promise<AddedPeople> {
  const regions = Object.entries(REGION_NAMES)
  await Promise.all(regions.map(([code, name]) => setup.request('PUT', `/api/regions/${code}`, { name })))
  const team = await setup.request<Team>('POST', '/api/teams', {
    name: '街面巡防一队 Street patrol 1',
    region: STREET,
    kind: 'professional',
  })
  const add = async (user: NewUser): Promise<SignIn> => {
    const { oneTimePassword } = await setup.request<CreatedUser>('POST', '/api/users', user)
    return { username: user.username, password: oneTimePassword }
  }
  const addWatcher = async () => {
    const account = {
      username: 'demo-watcher',
      displayName: 'Demo watcher',
      role: 'operator',
      scope: CITY,
    } as const
    return takeOver(baseUrl, await add(account))
  }
  // Hashing a password is made to be slow: all at once.
  const [operator, patroller, watcher] = await Promise.all([
    add({ username: 'operator', displayName: '值班员 Operator', role: 'operator', scope: COUNTY }),
    add({
      username: 'patroller',
      displayName: '巡防队员 Patroller',
      role: 'patroller',
      scope: STREET,
      teamIds: [team.teamId],
    }),
    addWatcher(),
  ])
  return { operator, patroller, watcher: watcher.signIn, watcherClient: watcher.client }
}

/** Replaces a one-time password by one that works again and again; the client is signed in with it. */
async function takeOver(baseUrl: string, oneTime: SignIn): Promise<{ signIn: SignIn; client: HubClient }> {
  const client = new HubClient(baseUrl)
  await client.signIn(oneTime.username, oneTime.password)
  const password = randomBytes(24).toString('base64url')
  await client.changePassword(oneTime.password, password)
  return { signIn: { username: oneTime.username, password }, client }
}

/** A client that is signed in with a password that has been chosen. */
export async function signedIn(baseUrl: string, { username, password }: SignIn): Promise<HubClient> {
  const client = new HubClient(baseUrl)
  await client.signIn(username, password)
  return client
}
