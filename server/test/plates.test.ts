/** Plates in a whole hub: read in clear one at a time, and brought under another key by the commands. */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import type { PassageList } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PlateKeyRing } from '../src/access/plate-keys.ts'
import { openRelational } from '../src/adapters/relational/open.ts'
import { type Hub, startHub } from '../src/app.ts'
import { runPlatesCommand } from '../src/cli-plates.ts'
import { loadConfig } from '../src/config.ts'
import type { Relational } from '../src/ports/relational.ts'
import { addAccount, askAs, openSession } from './support/accounts.ts'
import { alertRecord, EdgeClient, passage, REGION } from './support/edge-client.ts'
import { createEdge, freshFolder, runMain, silent, testEnv } from './support/hub.ts'

const LINES = ['a1', 'b2', 'c3'].map((byte, index) => `${index + 1}:${byte.repeat(32)}`)
const T0 = Date.UTC(2026, 10, 22, 8)
/** No digits: it is in no hash by chance. */
const PLATE = '豫EKLMNP'
const cipher = new PlateKeyRing(LINES[0]).seal(PLATE)
/** Twice one that opens; under a key that nobody has; changed on the way; none. */
const CIPHERS = [cipher, cipher, cipher.replace('1.', '9.'), `${cipher.slice(0, -4)}AAAA`, undefined]
const [WHOLE, WHOLE_TOO, FOREIGN, BROKEN, NONE] = [0, 1, 2, 3, 4] as const
const WHY = { purpose: 'incident_handling', reason: 'hit and run at the north gate' }

let folder: string
let hub: Hub | undefined
let relational: Relational
let passageIds: string[]
const envWith = (lines: readonly string[]) =>
  testEnv(folder, { PATROLHUB_PLATE_KEYS: lines.join('\n'), PATROLHUB_PLATE_READS_PER_HOUR: '2' })

beforeAll(async () => {
  folder = await freshFolder()
  const config = loadConfig({ env: envWith(LINES.slice(0, 2)) })
  hub = await startHub(config, silent)
  relational = await openRelational(config, silent)
  const token = await createEdge(folder, 'edge-01', REGION)
  const edge = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-01', token })
  await edge.hello({ checkpoints: [{ checkpointId: 'cp-01', name: 'cp-01', region: REGION, lanes: 1 }] })
  const records = CIPHERS.map((plateCipher, index) =>
    passage(index, { atMs: T0 + index * 1000, ...(plateCipher === undefined ? {} : { plateCipher }) }),
  )
  await edge.send('measurements', 1, records)
  await edge.send('alerts', 1, [alertRecord()])
  await edge.cursor(({ stream, upTo }) => stream === 'measurements' && upTo === records.length)
  await edge.cursor(({ stream, upTo }) => stream === 'alerts' && upTo === 1)
  await edge.close()
  const supervisor = await person('supervisor', REGION)
  const { json } = await supervisor('GET', '/api/checkpoints/cp-01/passages')
  passageIds = (json as PassageList).items.map(({ passageId }) => passageId).reverse()
})
afterAll(async () => {
  await relational?.close()
  await hub?.close()
  await rm(folder, { recursive: true, force: true })
})

/** Somebody who is signed in: asks as the dashboard does. */
async function person(role: string, scope: string, isOnDuty = true) {
  const { userId } = await addAccount(relational, { role, scope, isOnDuty })
  const { cookie } = await openSession(relational, userId)
  return (method: string, path: string, body?: object) =>
    askAs(cookie, `http://127.0.0.1:${hub!.httpPort}${path}`, method, body)
}
type Asker = Awaited<ReturnType<typeof person>>
const read = (who: Asker, index: number, more: object = {}) =>
  who('POST', `/api/passages/${passageIds[index]}/plate`, { ...WHY, ...more })

async function entriesOf(index: number) {
  const rows = await relational.read
    .selectFrom('audit')
    .select(['action', 'detail'])
    .where('subject', '=', `passage:${passageIds[index]}`)
    .orderBy('seq')
    .execute()
  return rows.map(({ action, detail }) => ({ action, detail: JSON.parse(detail) }))
}

describe('reading a plate', () => {
  it('is for those with the permission, on duty, inside their scope, with purpose and reason', async () => {
    for (const role of ['operator', 'engineer', 'auditor', 'patroller']) {
      expect((await read(await person(role, REGION), WHOLE)).status, role).toBe(403)
    }
    expect((await read(await person('supervisor', REGION, false), WHOLE)).status, 'off duty').toBe(403)
    expect((await read(await person('supervisor', '410503'), WHOLE)).status, 'elsewhere').toBe(404)
    const supervisor = await person('supervisor', '4105')
    for (const body of [{ reason: 'no' }, { reason: undefined }, { purpose: 'fun' }, { plate: 'x' }]) {
      expect((await read(supervisor, WHOLE, body)).status).toBe(400)
    }
    expect((await supervisor('POST', '/api/passages/none/plate', WHY)).status).toBe(404)
    expect((await read(supervisor, WHOLE, { incidentId: randomUUID() })).status, 'no such incident').toBe(404)
    expect(await entriesOf(WHOLE)).toEqual([])
    const { incident_id, number } = await relational.read
      .selectFrom('incident')
      .selectAll()
      .executeTakeFirstOrThrow()
    const answer = await read(supervisor, WHOLE, { incidentId: incident_id })
    expect(answer).toMatchObject({ status: 200, json: { plate: PLATE } })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await entriesOf(WHOLE)).toEqual([
      {
        action: 'plate.read',
        detail: {
          ...WHY,
          checkpoint: 'cp-01',
          region: REGION,
          passedAtMs: T0,
          incidentId: incident_id,
          incident: number,
        },
      },
    ])
  })

  it('says what stands in the way, on the record, and counts only what was read', async () => {
    const supervisor = await person('supervisor', REGION)
    for (const [index, status, code, says] of [
      [FOREIGN, 503, 'HUB_PLATE_KEY', 'version 9'],
      [BROKEN, 500, 'HUB_PLATE_BROKEN', 'version 1'],
      [NONE, 404, 'HUB_PLATE_NONE', 'nothing encrypted'],
    ] as const) {
      const answer = await read(supervisor, index)
      expect(answer).toMatchObject({ status, json: { code, message: expect.stringContaining(says) } })
      expect((await entriesOf(index)).map(({ action }) => action)).toEqual(['plate.not-read'])
    }
    for (const index of [WHOLE, WHOLE_TOO]) expect((await read(supervisor, index)).status).toBe(200)
  })

  it('is refused beyond so many an hour, also all at once, each refusal on the record', async () => {
    const supervisor = await person('supervisor', REGION)
    const before = (await entriesOf(WHOLE_TOO)).length
    const answers = await Promise.all(Array.from({ length: 5 }, () => read(supervisor, WHOLE_TOO)))
    const refused = answers.filter(({ status }) => status === 429)
    expect(answers.length - refused.length).toBe(2)
    expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(3500)
    const actions = (await entriesOf(WHOLE_TOO)).slice(before).map(({ action }) => action)
    expect(actions.sort()).toEqual([...Array(2).fill('plate.read'), ...Array(3).fill('plate.refused')])
    expect((await read(await person('supervisor', REGION), WHOLE)).status, 'another account').toBe(200)
    const metrics = await (await fetch(`http://127.0.0.1:${hub!.httpPort}/metrics`)).text()
    expect(metrics).toContain('patrolhub_plates_read_total{outcome="too-many"} 3')
    expect(JSON.stringify(await relational.read.selectFrom('audit').selectAll().execute())).not.toContain(
      'KLMNP',
    )
  })
})

it('plates rotate brings stored plates under the newest key, by the hub or without it, and says what it left', async () => {
  const beside = await runMain(['plates', 'rotate'], envWith(LINES.slice(0, 2)))
  expect(beside.stdout).toBe(`the rotation is done
encrypted anew with version 2: 2
could NOT be read, left as they are: 2
  - cp-01 2026-11-22 16:00:02: no key of version 9
  - cp-01 2026-11-22 16:00:03: does not open with version 1
version 1 (old): 1 plates, passed 2026-11-22 16:00:03 to 2026-11-22 16:00:03
  - edge-01: 1, the last 2026-11-22 16:00:03
version 2 (current): 2 plates, passed 2026-11-22 16:00:00 to 2026-11-22 16:00:01
  - edge-01: 2, the last 2026-11-22 16:00:01
version 9 (NOT in the ring of this hub): 1 plates, passed 2026-11-22 16:00:02 to 2026-11-22 16:00:02
  - edge-01: 1, the last 2026-11-22 16:00:02
`)
  expect(beside.code, 'something could not be read').toBe(1)
  expect((await read(await person('supervisor', REGION), WHOLE)).json).toEqual({ plate: PLATE })

  await hub!.close()
  hub = undefined
  const config = loadConfig({ env: envWith(LINES.slice(1)) })
  const { text } = await runPlatesCommand(
    { kind: 'plates rotate', isRehash: false, asJson: true },
    config,
    silent,
    {
      signal: new AbortController().signal,
      say: () => {},
    },
  )
  const { rotation, keys } = JSON.parse(text)
  expect(rotation).toMatchObject({ version: 3, encrypted: 2, unreadable: 2, isComplete: true })
  expect(
    keys.map(({ version, passages }: { version: number; passages: number }) => [version, passages]),
  ).toEqual([
    [1, 1],
    [2, 0],
    [3, 2],
    [9, 1],
  ])
})

it('a hub says at its start which keys do not fit, and shows none of them', () => {
  const env = testEnv('x', {
    PATROLHUB_PLATE_KEYS: `${LINES[0]}\n1:${'d4'.repeat(32)}`,
    PATROLHUB_PLATE_HASH_KEY: 'short',
  })
  expect(() => loadConfig({ env })).toThrow(
    expect.objectContaining({
      code: 'HUB_CONFIG',
      details: [
        'PATROLHUB_PLATE_HASH_KEY: expected 64 hexadecimal digits (openssl rand -hex 32)',
        'PATROLHUB_PLATE_KEYS: key 2: there is a version 1 already',
      ],
    }),
  )
})
