/** Tries every route of the hub as one caller, at something that they may reach and at something that they may not. */
import { hashToken } from '../../src/access/token.ts'
import { TestPlayer } from '../support/streams.ts'
import { expected, forbidden, type Model, shown } from './model.ts'
import { type Caller, inside, type Person, type Subject } from './oracle.ts'
import { RULES, type Rule } from './rules.ts'
import { type Kind, passagesOf, REGIONS, type Thing, type World } from './world.ts'

/** How often each route has let somebody through, and kept somebody out. */
export type Tally = Map<string, { served: number; refused: number }>

interface Try {
  route: string
  rule: Rule
  thing: Thing | undefined
  statuses: readonly number[]
  isServed: boolean
}

export function ruleOf(route: string): Rule {
  const rule = RULES[route.replace(/^HEAD /, 'GET ')]
  if (rule) return rule
  throw new Error(
    `the hub has a route that nobody has said who may use: ${route}\n` +
      'Add a line for it to server/test/scope/rules.ts: who is let in, what it is about, how that has to lie to the ' +
      'caller, what is answered. If it serves a new kind of thing, put some into server/test/scope/world.ts.',
  )
}

/** `pick` chooses among the things that a route may be about. Throws at the first answer that is not as it should be. */
export async function sweep(
  world: World,
  model: Model,
  caller: Caller,
  { pick, tally }: { pick: number; tally: Tally },
): Promise<void> {
  const secrets = forbidden(caller, model, world)
  for (const route of world.routes) {
    const tries = triesOf(route, world, model, caller)
    for (const isServed of [true, false]) {
      const fitting = tries.filter((one) => one.isServed === isServed)
      if (fitting.length === 0) continue
      await attempt(world, model, caller, fitting[pick % fitting.length]!, secrets)
      const count = tally.get(route) ?? { served: 0, refused: 0 }
      if (isServed) count.served += 1
      else count.refused += 1
      tally.set(route, count)
    }
  }
}

/** Tries these routes at every thing that they may be about. */
export async function comb(world: World, model: Model, caller: Caller, which: RegExp): Promise<void> {
  const secrets = forbidden(caller, model, world)
  for (const route of world.routes.filter((one) => which.test(one))) {
    for (const one of triesOf(route, world, model, caller)) {
      await attempt(world, model, caller, one, secrets)
    }
  }
}

function triesOf(route: string, world: World, model: Model, caller: Caller): Try[] {
  const rule = ruleOf(route)
  const answers = [rule.answers].flat()
  const things = rule.about ? thingsOf(rule.about, model, world, caller) : [undefined]
  return (
    things
      .map((thing) => {
        const statuses = expected(caller, rule, thing, model)
        return { route, rule, thing, statuses, isServed: answers.includes(statuses[0]!) }
      })
      // What would change how things stand is a doing of its own.
      .filter((one) => !(one.isServed && isDoing(one, model)))
  )
}

function isDoing({ route, thing }: Pick<Try, 'route' | 'thing'>, model: Model): boolean {
  const grant = model.grants.find(({ grantId }) => grantId === thing?.id)
  if (route.endsWith('/approval')) return grant?.state === 'pending'
  return route === 'DELETE /api/grants/:grantId' && (grant?.state === 'pending' || grant?.state === 'active')
}

function thingsOf(kind: Kind, model: Model, world: World, caller: Caller): Thing[] {
  switch (kind) {
    case 'grant':
      return model.grants.map(({ grantId, camera }) => ({ kind, id: grantId, region: camera.region }))
    case 'export':
      return model.grants.flatMap(({ exportId, camera }) =>
        exportId === undefined ? [] : [{ kind, id: exportId, region: camera.region }],
      )
    case 'ask':
      return [{ kind, id: '00000000-0000-4000-8000-000000000000', region: '' }]
    case 'policy':
      return Object.entries(model.policies).map(([id, policy]) => ({ kind, id, region: '', policy }))
    case 'session': {
      // The caller's own is one that was made for it.
      const others = model.people.filter((person) => person !== caller && person.session)
      return [
        { kind, id: SPARE_HASH, region: '', ...(caller.kind === 'person' ? { userId: caller.userId } : {}) },
        ...others.map((person) => ({ kind, id: person.session!.hash, region: '', userId: person.userId })),
      ]
    }
    default:
      return world.things.filter((thing) => thing.kind === kind)
  }
}

const SPARE = 'spare'.padEnd(43, '_')
const SPARE_HASH = hashToken(SPARE)

async function attempt(
  world: World,
  model: Model,
  caller: Caller,
  { route, rule, thing, statuses, isServed }: Try,
  secrets: readonly string[],
): Promise<void> {
  const [method, pattern] = route.split(' ') as [string, string]
  const path = pathOf(pattern, rule, thing)
  const who = await prepare(world, caller, rule, thing)
  const label = () =>
    `${describeCaller(caller)} asks ${method} ${path}, about ${JSON.stringify({ ...thing, bytes: undefined })}`
  const isPlayed = pattern.endsWith('.flv') && who.kind === 'person'
  const answer = isPlayed
    ? await play(world, who as Person, path)
    : await world.ask(who, method, path, {
        ...(rule.body ? { body: rule.body(thing!) } : {}),
        ...(rule.headers ? { headers: rule.headers(thing!) } : {}),
      })
  if (rule.spare && caller.kind === 'person') {
    await world.db.deleteFrom('session').where('token_hash', '=', SPARE_HASH).execute()
  }
  if (!statuses.includes(answer.status)) {
    throw new Error(
      `${label()}: answered ${answer.status}, not ${statuses.join(' or ')}: ${answer.text.slice(0, 300)}`,
    )
  }
  // What the caller named comes back in the words of a refusal.
  const named = [thing?.id, thing?.edgeId]
  // The record says what people of the scope did, wherever that was.
  const leaked =
    rule.for === 'audit.read'
      ? undefined
      : secrets.find((id) => !named.includes(id) && answer.text.includes(id))
  if (leaked) throw new Error(`${label()}: the answer speaks of ${leaked}, which lies outside`)
  if (rule.about === 'spare group' && answer.status === 204) {
    const row = { group_id: thing!.id, name: thing!.id, region: thing!.region }
    await world.db.insertInto('camera_group').values(row).execute()
  }
  if (rule.about === 'spare plan' && answer.status === 204) await world.addPlan(thing!.id, thing!.region)
  if (answer.status === 201 && route === 'POST /api/teams') {
    await world.db.deleteFrom('team').where('team_id', '=', answer.json.teamId).execute()
  }
  if (method !== 'GET' || !isServed || (caller.kind !== 'person' && caller.kind !== 'token')) return
  if (rule.shows) await checkShown(world, model, caller, { path, rule, first: answer.json, label: label() })
  checkFigures(pattern, answer.json, caller, thing, label)
}

function pathOf(pattern: string, rule: Rule, thing: Thing | undefined): string {
  if (pattern === '*') return '/any/page'
  const given = rule.path?.(thing!)
  const path = pattern.replace(/:(\w+)/g, (_, name: string) => given?.[name] ?? thing!.id)
  return rule.query ? `${path}?${rule.query(thing!)}` : path
}

/** What a request uses up is there again for the next. */
async function prepare(world: World, caller: Caller, rule: Rule, thing: Thing | undefined): Promise<Caller> {
  if (rule.about === 'user session') {
    const row = {
      token_hash: thing!.id,
      user_id: thing!.userId!,
      created_at_ms: Date.now(),
      expires_at_ms: Date.now() + 3_600_000,
      address: '',
      user_agent: '',
    }
    await world.db
      .insertInto('session')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
  if (!rule.spare || caller.kind !== 'person' || !caller.session) return caller
  const lifeMs = caller.session.expiresAtMs - Date.now()
  const session = await world.addSession(caller.userId, lifeMs, SPARE)
  return { ...caller, session, cookie: session.cookie }
}

async function play(world: World, who: Person, path: string) {
  const player = new TestPlayer(world.url + path, who.cookie)
  const { status, body } = await player.answer
  player.leave()
  return { status, text: body, json: undefined }
}

async function checkShown(
  world: World,
  model: Model,
  caller: Subject,
  // biome-ignore lint/suspicious/noExplicitAny: answers of many kinds
  { path, rule, first, label }: { path: string; rule: Rule; first: any; label: string },
): Promise<void> {
  const pages = [first]
  while (pages.at(-1).next !== undefined && pages.length < 1000) {
    const page = await world.ask(caller, 'GET', `${path}&before=${encodeURIComponent(pages.at(-1).next)}`)
    pages.push(page.json)
  }
  for (const kind of rule.shows!) {
    const found = pages.flatMap((page) => idsIn(kind, page))
    let wanted = await shown(kind, caller, model, world)
    // The record goes on while it is read.
    if (kind === 'audit entry') wanted = wanted.filter((seq) => Number(seq) <= Number(found[0] ?? wanted[0]))
    const surplus = found.filter((id) => !wanted.includes(id))
    const missing = wanted.filter((id) => !found.includes(id))
    if (surplus.length > 0)
      throw new Error(`${label}: shows ${kind} ${surplus[0]}, which it must not (of ${surplus.length})`)
    if (missing.length > 0)
      throw new Error(`${label}: does not show ${kind} ${missing[0]} (of ${missing.length})`)
  }
}

const NAMES_OF_IDS: Readonly<Partial<Record<Kind, string>>> = {
  region: 'code',
  user: 'userId',
  token: 'tokenId',
  'audit entry': 'seq',
}

// biome-ignore lint/suspicious/noExplicitAny: answers of many kinds
function idsIn(kind: Kind, json: any): string[] {
  const items = Array.isArray(json) ? json : (json[`${kind}s`] ?? json.items)
  // biome-ignore lint/suspicious/noExplicitAny: answers of many kinds
  return items.map((item: any) => String(item[NAMES_OF_IDS[kind] ?? `${kind}Id`]))
}

function checkFigures(
  pattern: string,
  // biome-ignore lint/suspicious/noExplicitAny: answers of many kinds
  json: any,
  caller: Subject,
  thing: Thing | undefined,
  label: () => string,
): void {
  const within = (scope: string) => REGIONS.filter((region) => inside(scope, region))
  const sum = (scope: string) => within(scope).reduce((total, region) => total + passagesOf(region), 0)
  const check = (what: string, is: number, should: number) => {
    if (is !== should) throw new Error(`${label()}: ${what} is ${is}, not ${should}`)
  }
  if (pattern === '/api/flow') {
    const vehicles = json.points.reduce(
      (total: number, point: { vehicles: number | null }) => total + (point.vehicles ?? 0),
      0,
    )
    check('the number of vehicles', vehicles, sum(thing!.region))
  }
  if (pattern === '/api/passages')
    check('the number of passages', json.items.length, Math.min(500, sum(thing!.region)))
  else if (pattern.endsWith('/passages'))
    check('the number of passages', json.items.length, passagesOf(thing!.region))
  if (pattern === '/api/overview') {
    const places = within(caller.scope).length
    check('edgesTotal', json.edgesTotal, 2 * places)
    check('camerasTotal', json.camerasTotal, 3 * places)
    check('incidentsTotal', json.incidentsTotal, places)
    check('passagesTotal', json.passagesTotal, sum(caller.scope))
  }
}

function describeCaller(caller: Caller): string {
  if (caller.kind === 'nobody') return 'nobody'
  if (caller.kind === 'edge') return caller.edgeId
  const { scope, permissions } = caller
  const of = `of ${scope} with ${[...permissions].join(' ') || 'no permission'}`
  if (caller.kind === 'token') return `a token ${of}`
  const { isOnDuty, hours, teamIds, session, isDisabled, hasOneTimePassword } = caller
  return `${caller.name} ${of} ${JSON.stringify({ isOnDuty, hours, teams: teamIds.length, isSignedIn: session !== undefined, isDisabled, hasOneTimePassword })}`
}
