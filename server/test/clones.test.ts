/** Plates at two places at once: through real MQTT to an incident, and the judgement against a plain model of it. */
import type { AlertRecord, PassageRecord } from '@patrolhub/protocol'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRelational } from '../src/adapters/relational/open.ts'
import { Clones } from '../src/clones/clones.ts'
import { distanceKm, isImpossible } from '../src/clones/travel.ts'
import type { Relational } from '../src/ports/relational.ts'
import { EdgeClient, passage } from './support/edge-client.ts'
import { silent, startTestHub, type TestHub } from './support/hub.ts'

const WEST = '410502003'
const NORTH = '410503001'
const GATES = {
  'gate-w': { region: WEST, latitude: 36.1, longitude: 114.3 },
  // 22 km to the north: 400 s at 200 km/h.
  'gate-n': { region: NORTH, latitude: 36.3, longitude: 114.3 },
  // Around the corner.
  'gate-c': { region: WEST, latitude: 36.11, longitude: 114.3 },
} as const
type Gate = keyof typeof GATES

let hub: TestHub
let relational: Relational
const clients: EdgeClient[] = []

beforeEach(async () => {
  hub = await startTestHub()
  relational = await openRelational(hub.config, silent)
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await relational.close()
  await hub.close()
})

const hashOf = (plate: string) => Buffer.from(plate.padEnd(32, '.')).toString('hex').slice(0, 64)

async function edgeOf(edgeId: string, region: string, gates: readonly Gate[]) {
  const token = await hub.addEdge(edgeId, region)
  const client = await EdgeClient.connect({ port: hub.mqttPort, edgeId, token })
  clients.push(client)
  const checkpoints = gates.map((checkpointId) => ({
    checkpointId,
    name: `Gate ${checkpointId.at(-1)!.toUpperCase()}`,
    lanes: 2,
    ...GATES[checkpointId],
  }))
  await client.hello({ region, checkpoints })
  let next = 1
  return {
    async send(...passages: readonly Partial<PassageRecord>[]): Promise<void> {
      const records = passages.map((more) => passage(0, { region, ...more }))
      const upTo = next + records.length - 1
      await client.send('measurements', next, records)
      next = upTo + 1
      await client.cursor((cursor) => cursor.stream === 'measurements' && cursor.upTo === upTo)
    },
  }
}

const alerts = async () => {
  const { rows } = await sql<{ record: string; incident_id: string; edge_id: string }>`
    select record, incident_id, edge_id from alert order by at_ms`.execute(relational.read)
  return rows.map(({ record, ...rest }) => ({ ...rest, record: JSON.parse(record) as AlertRecord }))
}

describe('a plate at two checkpoints at once', () => {
  it('becomes an incident, whatever comes late, again, or could well be', async () => {
    const west = await edgeOf('edge-w', '410502', ['gate-w', 'gate-c'])
    const north = await edgeOf('edge-n', '410503', ['gate-n'])
    const nowMs = Date.now()
    const at = (seconds: number, plate?: string, more: Partial<PassageRecord> = {}) => ({
      atMs: nowMs - 3_600_000 + seconds * 1000,
      ...(plate === undefined ? {} : { plateHash: hashOf(plate) }),
      ...more,
    })
    const w = { deviceId: 'gate-w' }
    const n = { deviceId: 'gate-n' }
    await west.send(
      at(0, 'clone', w),
      at(0, 'driver', w),
      at(0, 'clock', { ...w, timing: 'late' }),
      at(0, undefined, w),
      at(0, 'corner', w),
      at(5, 'corner', { deviceId: 'gate-c' }),
      at(-9 * 3600, 'old', w),
    )
    await north.send(
      at(900, 'driver', n),
      at(10, 'clock', n),
      at(10, undefined, n),
      at(-9 * 3600 + 5, 'old', n),
    )
    expect(await alerts()).toEqual([])
    await north.send(at(120, 'clone', n))
    expect(await alerts()).toMatchObject([
      {
        edge_id: 'edge-n',
        record: {
          rule: 'cloned-plate',
          deviceId: 'gate-n',
          severity: 'major',
          reason:
            'A vehicle passed Gate N in lane 1 with a plate that was at Gate W, 22.2 km away, 120 s before: a cloned plate is suspected, or one of the two was misread.',
          facts: { otherCheckpointId: 'gate-w', otherAtMs: at(0).atMs, distanceKm: 22.2, seconds: 120 },
        },
      },
    ])
    // Once in half an hour: what is repeated, and what goes on.
    await north.send(at(120, 'clone', n))
    await west.send(at(180, 'clone', w))
    expect(await alerts()).toHaveLength(1)
    // What was before it comes now, from an edge that was cut off; and the next time.
    await west.send(at(-3000, 'late', w))
    await north.send(at(-2900, 'late', n), at(2400, 'clone', n))
    await west.send(at(2500, 'clone', w))
    const all = await alerts()
    expect(all.map(({ record }) => [record.deviceId, record.facts.seconds])).toEqual([
      ['gate-n', 100],
      ['gate-n', 120],
      ['gate-w', 100],
    ])
    expect(JSON.stringify(all)).not.toContain(hashOf('clone'))
    const { rows } = await sql<{ n: number }>`select count(*) as n from incident`.execute(relational.read)
    expect(Number(rows[0]!.n)).toBe(3)
  })
})

describe('the judgement', () => {
  const config = { cloneMaxKmh: 200, cloneClockSeconds: 60, cloneWindowMinutes: 60 }
  const nowMs = Date.now()
  const seen = fc.record({
    deviceId: fc.constantFrom<Gate>('gate-w', 'gate-n', 'gate-c'),
    plate: fc.constantFrom('a', 'b', 'c'),
    seconds: fc.integer({ min: -4000, max: 0 }).map((seconds) => seconds - (seconds % 20)),
  })

  it('is that of a plain model, in whatever batches and order passages arrive', async () => {
    await edgeOf('edge-1', '4105', ['gate-w', 'gate-n', 'gate-c'])
    const edge = { edgeId: 'edge-1', region: '4105' }
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(seen, { maxLength: 8 }), { maxLength: 8 }), async (batches) => {
        await relational.write.deleteFrom('plate_sighting').execute()
        const clones = new Clones({ config, relational, log: silent, now: () => nowMs })
        const model: { deviceId: Gate; plate: string; atMs: number; isTold: boolean }[] = []
        for (const batch of batches) {
          const expected: string[] = []
          const records = batch.map(({ deviceId, plate, seconds }) => {
            const atMs = nowMs + seconds * 1000
            const own = model.filter((each) => each.plate === plate)
            const isOld = seconds < -3600
            const isNew = !own.some((each) => each.deviceId === deviceId && each.atMs === atMs)
            const wasTold = own.some((each) => each.isTold && Math.abs(each.atMs - atMs) < 1_800_000)
            const isTold =
              !isOld &&
              isNew &&
              !wasTold &&
              own.some((each) =>
                isImpossible(distanceKm(GATES[each.deviceId], GATES[deviceId]), each.atMs - atMs, {
                  maxKmh: 200,
                  clockMs: 60_000,
                }),
              )
            if (isTold) expected.push(`${deviceId} ${atMs}`)
            if (!isOld && isNew) model.push({ deviceId, plate, atMs, isTold })
            return passage(0, { deviceId, region: GATES[deviceId].region, atMs, plateHash: hashOf(plate) })
          })
          const found = await relational.write.transaction().execute((trx) =>
            clones.find(
              trx,
              records.map((record) => ({ record, edge, receivedAtMs: nowMs })),
            ),
          )
          expect(found.map(({ record }) => `${record.deviceId} ${record.atMs}`)).toEqual(expected)
        }
        await new Clones({ config, relational, log: silent }).forget(nowMs + 3_600_000 - 20_000)
        const { rows } = await sql<{ n: number }>`select count(*) as n from plate_sighting`.execute(
          relational.read,
        )
        expect(Number(rows[0]!.n)).toBe(model.filter(({ atMs }) => atMs >= nowMs - 20_000).length)
      }),
      { numRuns: 25 },
    )
  })

  it('knows a checkpoint without a position, or alone, for one that cannot be compared', async () => {
    await edgeOf('edge-1', '4105', ['gate-w'])
    const clones = new Clones({ config, relational, log: silent })
    const record = passage(0, { deviceId: 'gate-w', plateHash: hashOf('a'), atMs: Date.now() })
    const edge = { edgeId: 'edge-1', region: '4105' }
    const found = await relational.write
      .transaction()
      .execute((trx) => clones.find(trx, [{ record, edge, receivedAtMs: 1 }]))
    expect(found).toEqual([])
    const { rows } = await sql<{ n: number }>`select count(*) as n from plate_sighting`.execute(
      relational.read,
    )
    expect(Number(rows[0]!.n)).toBe(0)
  })
})
