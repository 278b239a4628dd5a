/** The commands about stored plates: beside a running hub, which holds the points, and without one. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PlateKeyRing } from '../src/access/plate-keys.ts'
import { type Hub, startHub } from '../src/app.ts'
import { runPlatesCommand } from '../src/cli-plates.ts'
import { loadConfig } from '../src/config.ts'
import { EdgeClient, REGION } from './support/edge-client.ts'
import { createEdge, freshFolder, runMain, silent, testEnv } from './support/hub.ts'

const LINES = ['a1', 'b2', 'c3'].map((byte, index) => `${index + 1}:${byte.repeat(32)}`)
const T0 = Date.UTC(2026, 10, 22, 8)

let folder: string
let hub: Hub | undefined
beforeAll(async () => {
  folder = await freshFolder()
})
afterAll(async () => {
  await hub?.close()
  await rm(folder, { recursive: true, force: true })
})

const envWith = (keys: string) => testEnv(folder, { PATROLHUB_PLATE_KEYS: keys })

it('plates rotate brings stored plates under the newest key, by the hub or without it, and says what it left', async () => {
  const env = envWith(LINES.slice(0, 2).join('\n'))
  hub = await startHub(loadConfig({ env }), silent)
  const edge = await EdgeClient.connect({
    port: hub.mqttPort,
    edgeId: 'edge-01',
    token: await createEdge(folder, 'edge-01', REGION),
  })
  await edge.hello()
  const cipher = new PlateKeyRing(LINES[0]).seal('豫E12345')
  const passage = (index: number, plateCipher: string) => ({
    kind: 'passage',
    atMs: T0 + index * 1000,
    deviceId: 'cp-01',
    region: REGION,
    lane: 1,
    plateCipher,
  })
  const ciphers = [cipher, cipher, cipher.replace('1.', '9.')]
  await edge.send(
    'measurements',
    1,
    ciphers.map((text, index) => passage(index, text)),
  )
  await edge.cursor(({ stream, upTo }) => stream === 'measurements' && upTo === 3)
  await edge.close()

  const beside = await runMain(['plates', 'rotate'], env)
  expect(beside.stdout).toBe(`the rotation is done
encrypted anew with version 2: 2
could NOT be read, left as they are: 1
  - cp-01 2026-11-22 16:00:02: no key of version 9
version 1 (old): 0 plates; may go once no edge uses it any more
version 2 (current): 2 plates, passed 2026-11-22 16:00:00 to 2026-11-22 16:00:01
  - edge-01: 2, the last 2026-11-22 16:00:01
version 9 (NOT in the ring of this hub): 1 plates, passed 2026-11-22 16:00:02 to 2026-11-22 16:00:02
  - edge-01: 1, the last 2026-11-22 16:00:02
`)
  expect(beside.code, 'something could not be read').toBe(1)

  await hub.close()
  hub = undefined
  const alone = (env: Record<string, string>) =>
    runPlatesCommand({ kind: 'plates rotate', isRehash: false, asJson: true }, loadConfig({ env }), silent, {
      signal: new AbortController().signal,
      say: () => {},
    })
  const { text } = await alone(envWith(LINES.slice(1).join('\n')))
  const { rotation, keys } = JSON.parse(text)
  expect(rotation).toMatchObject({ version: 3, encrypted: 2, unreadable: 1, isComplete: true })
  expect(
    keys.map(({ version, passages }: { version: number; passages: number }) => [version, passages]),
  ).toEqual([
    [2, 0],
    [3, 2],
    [9, 1],
  ])
})

it('says at the start which keys do not fit, and shows none of them', async () => {
  const load = () =>
    loadConfig({
      env: { ...envWith(`${LINES[0]}\n1:${'d4'.repeat(32)}`), PATROLHUB_PLATE_HASH_KEY: 'short' },
    })
  expect(load).toThrow(
    expect.objectContaining({
      code: 'HUB_CONFIG',
      details: [
        'PATROLHUB_PLATE_HASH_KEY: expected 64 hexadecimal digits (openssl rand -hex 32)',
        'PATROLHUB_PLATE_KEYS: key 2: there is a version 1 already',
      ],
    }),
  )
})
