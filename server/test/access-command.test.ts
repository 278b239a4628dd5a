/** `access explain` on a data folder, as an administrator at the machine runs it. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshFolder, runMain, testEnv } from './support/hub.ts'

let folder: string
beforeAll(async () => {
  folder = await freshFolder()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('access explain', () => {
  it('says why, rule by rule, and what is wrong with the question', async () => {
    const run = (...args: string[]) => runMain(args, testEnv(folder))
    const added = await run('user', 'add', 'li.na', '--role', 'operator', '--scope', '410502')
    expect(added.code, added.stderr).toBe(0)
    const explain = (...more: string[]) => run('access', 'explain', '--user', 'li.na', ...more)
    const answer = await explain('--action', 'incident.move', '--region', '410503')
    expect([answer.code, answer.stdout]).toEqual([
      0,
      [
        'li.na may not incident.move on region 410503',
        '  NO   account: the one-time password has not been replaced yet',
        '  yes  permission: the role operator has incident.move',
        '  NO   scope: region 410503 lies outside the scope 410502',
        '  yes  duty: on duty',
        '',
      ].join('\n'),
    ])
    const unknown = await run('access', 'explain', '--user', 'nobody', '--action', 'alert.read')
    expect([unknown.code, unknown.stderr]).toEqual([1, 'HUB_NOT_FOUND: no user nobody\n'])
    const camera = await explain('--action', 'grant.request', '--camera', 'no-such')
    expect(camera.stderr).toBe('HUB_NOT_FOUND: no camera no-such\n')
    expect((await explain()).code, 'without an action').toBe(2)
  }, 60_000)
})
