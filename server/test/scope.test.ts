/**
 * Whoever asks, whatever way, is shown what lies in their scope or what a grant opens to them, and nothing else; and all
 * of it. Every route of the router is tried, sockets, streams and files too, by anybody, while rights change and grants
 * end. What is right is said by scope/rules.ts (a line a route) and scope/oracle.ts, apart from the code.
 *
 *   PATROLHUB_TEST_RUNS=300 npx vitest run server/test/scope.test.ts     for long
 *   PATROLHUB_TEST_SEED=… PATROLHUB_TEST_PATH=… PATROLHUB_TEST_REPLAY=…  again what a failure printed (replayPath last)
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { begin, type Cast, cast, commands, hire, type Part } from './scope/cast.ts'
import { doings, exactly, settle } from './scope/doings.ts'
import type { Model } from './scope/model.ts'
import { MATRIX } from './scope/oracle.ts'
import { RULES } from './scope/rules.ts'
import { comb, ruleOf, sweep, type Tally } from './scope/sweep.ts'
import { CAMERAS, startWorld, type World } from './scope/world.ts'

const RUNS = Number(process.env.PATROLHUB_TEST_RUNS ?? 5)
const SEED = process.env.PATROLHUB_TEST_SEED
const PATH = process.env.PATROLHUB_TEST_PATH
const REPLAY = process.env.PATROLHUB_TEST_REPLAY
const MAX_COMMANDS = 24
const TIMEOUT_MS = 120_000 + RUNS * 5000
vi.setConfig({ testTimeout: TIMEOUT_MS })

let world: World
const tally: Tally = new Map()

beforeAll(async () => {
  world = await startWorld()
  await hire(world)
})
afterAll(() => world.close())

async function leave({ listeners, watchers }: Model): Promise<void> {
  for (const { close } of listeners) close()
  for (const { player } of watchers) player.leave()
  await Promise.all(watchers.map(({ player }) => player.closed))
}

/** With their rights at these places; otherwise as plain as can be. */
const part = (role: string, scope: string, more: Partial<Part> = {}): Part => ({
  permissions: [...MATRIX[role]!],
  scope,
  isOnDuty: true,
  hours: null,
  teams: [],
  hasOneTimePassword: false,
  ...more,
})
const tokens = { permissions: [...MATRIX.tokens!], scope: '410502' }

async function play(cast: Cast, act: (model: Model) => Promise<void>): Promise<void> {
  const model = await begin(world, cast)
  try {
    await act(model)
  } finally {
    await leave(model)
  }
}

describe('the table of rules', () => {
  it('has a line for every route of the hub, and none for another', () => {
    expect(world.routes.length).toBeGreaterThan(80)
    for (const route of world.routes) ruleOf(route)
    expect(Object.keys(RULES).filter((route) => !world.routes.includes(route))).toEqual([])
  })
})

describe('whoever asks', () => {
  it('gets through every route where role, scope, team or grant says so, and nowhere else', async () => {
    const people = [
      part('administrator', '4105'),
      part('patroller', '410502', { teams: ['410503'] }),
      part('operator', '410502', { permissions: [...MATRIX.operator!, 'export.make'] }),
    ]
    await play({ people, token: tokens }, async (model) => {
      const here = '410502003'
      const wish = { isNear: false, hasNote: true, incident: here, minutes: 10, historyMinutes: undefined }
      const camera = (sensitivity: string) =>
        CAMERAS.findIndex((one) => one.region === here && one.sensitivity === sensitivity)
      const acts = [
        doings.listen(0),
        doings.listen(1),
        doings.ask(2, { camera: camera('public'), ...wish }),
        doings.ask(2, { camera: camera('restricted'), ...wish }),
        doings.ask(2, { camera: camera('controlled'), ...wish }),
        doings.ask(2, { camera: camera('public'), ...wish, historyMinutes: 5 }),
        doings.watch(2, exactly(0)),
        doings.watch(2, exactly(3)),
        doings.revoke(0, exactly(2)),
        doings.answer(0, exactly(1), true),
        doings.watch(2, exactly(1)),
        doings.alert(here),
        doings.tryAll(0, 0, tally),
        doings.tryAll(1, 1, tally),
        doings.tryAll(2, 3, tally),
        doings.tryAll('token', 3, tally),
        doings.tryAll('edge', 4, tally),
        doings.tryAll('nobody', 5, tally),
        doings.endIncident(here),
        doings.tryAll(2, 0, tally),
        doings.revokeToken(),
        doings.tryAll('token', 1, tally),
        doings.endSessions(2),
        doings.tryAll(2, 1, tally),
      ]
      for (const act of acts) {
        expect(act.check(model), String(act)).toBe(true)
        await act.run(model, world)
      }
      expect(model.grants.map(({ state }) => state)).toEqual(['ended', 'ended', 'ended', 'ended'])
    })
    const others = [part('supervisor', '410502003'), part('engineer', '410503'), part('auditor', '410502')]
    await play({ people: others, token: { ...tokens, scope: '4106' } }, async (model) => {
      for (const caller of [...model.people, model.token]) {
        await sweep(world, model, caller, { pick: 1, tally })
      }
    })
  })

  it('hears over the socket what lies in their scope or is for their teams, and nothing else', async () => {
    const scopes = ['410503', '410502', '410502004']
    for (const role of ['supervisor', 'patroller']) {
      const people = scopes.map((scope, index) => part(role, scope, { teams: [scopes[(index + 1) % 3]!] }))
      await play({ people, token: tokens }, async (model) => {
        const acts = [0, 1, 2].map(doings.listen)
        for (const region of ['410502003', '410503', '4105', '410502004', '4106']) {
          acts.push(doings.alert(region), doings.endIncident(region))
        }
        for (const act of acts) await act.run(model, world)
        expect(model.listeners).toHaveLength(3)
      })
    }
  })

  it('with a composed role reaches no further than each of its permissions says', async () => {
    const both = part('patroller', '410502', {
      permissions: ['incident.read', 'dispatch.read', 'dispatch.step'],
      teams: ['410503'],
    })
    const reader = { ...both, permissions: ['incident.read', 'dispatch.read'] }
    const stepper = { ...both, permissions: ['dispatch.step'] }
    await play({ people: [both, reader, stepper], token: tokens }, async (model) => {
      for (const person of model.people) await comb(world, model, person, /dispatches|evidence|regions/)
    })
    // The new password of an account takes long to hash, and is no other case.
    const accounts = /users\/:userId(?!\/password)/
    const keeper = part('operator', '410502', { permissions: ['user.read', 'user.write', 'duty.write'] })
    await play({ people: [keeper, keeper, keeper], token: tokens }, async (model) => {
      await comb(world, model, model.people[0]!, accounts)
    })
  })

  it('does so at any time, whatever is done to whom', async () => {
    const all = commands(tally, {
      maxCommands: MAX_COMMANDS,
      ...(REPLAY === undefined ? {} : { replayPath: REPLAY }),
    })
    const property = fc.asyncProperty(cast, all, async (one, acts) => {
      await play(one, async (model) => {
        await fc.asyncModelRun(async () => ({ model, real: world }), acts)
        await settle(model, world)
      })
    })
    await fc.assert(property, {
      numRuns: RUNS,
      ...(SEED === undefined ? {} : { seed: Number(SEED) }),
      ...(PATH === undefined ? {} : { path: PATH }),
      // Whatever has been found by then is told, if not at its smallest.
      interruptAfterTimeLimit: TIMEOUT_MS - 20_000,
      markInterruptAsFailure: true,
    })
  })

  it('was let through and kept out at every route at least once', () => {
    const never = world.routes.filter((route) => {
      const { served, refused } = tally.get(route) ?? { served: 0, refused: 0 }
      // Edges answer by themselves when they are asked.
      if (route === 'POST /media/asked/:askId') return refused === 0 || world.countAnswered() === 0
      return served === 0 || (refused === 0 && ruleOf(route).for !== 'anybody')
    })
    expect(never).toEqual([])
  })
})
