/** Plates under a new key: nothing lost, nothing opened twice, whenever it is cut off, on both engines. */
import { rm } from 'node:fs/promises'
import { readPlate } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashPlate, PlateKeyRing } from '../src/access/plate-keys.ts'
import { openRelational } from '../src/adapters/relational/open.ts'
import { auditFeature } from '../src/audit/audit-feature.ts'
import { loadConfig } from '../src/config.ts'
import { keyUse } from '../src/plates/key-use.ts'
import { type RotationDeps, rotatePlates } from '../src/plates/rotate.ts'
import type { Relational } from '../src/ports/relational.ts'
import type { Point, TimeSeries } from '../src/ports/timeseries.ts'
import { freshFolder, silent, testEnv } from './support/hub.ts'
import { ENGINES, type OpenEngine, requireInfluxdb } from './support/time-series-engines.ts'

const key = (byte: string) => byte.repeat(32)
const LINES = ['a1', 'b2', 'c3'].map((byte, index) => `${index + 1}:${key(byte)}`)
const first = new PlateKeyRing(LINES[0])
const second = new PlateKeyRing(LINES.slice(0, 2).join('\n'))
const HASH_KEY = key('0f')
const NEW_HASH_KEY = key('1e')
const T0 = Date.UTC(2026, 10, 1, 8)

requireInfluxdb('changing the key of plates in the external time-series store')

describe.each(ENGINES)('a rotation in $name', ({ open }) => {
  let engine: OpenEngine
  let store: TimeSeries
  let relational: Relational
  let folder: string
  beforeAll(async () => {
    engine = await open()
    store = engine.store
    folder = await freshFolder()
    relational = await openRelational(loadConfig({ env: testEnv(folder) }), silent)
    await store.append(Array.from({ length: 2600 }, (_, index) => passage(index)))
  })
  afterAll(async () => {
    await relational?.close()
    await engine?.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** Every hundredth lies under a key that nobody has; every other hundredth is broken; every tenth is not whole. */
  const plateAt = (index: number) => `豫E${index % 10 === 9 ? '?' : '0'}${String(index).padStart(4, '0')}`
  const isForeign = (index: number) => index % 100 === 50
  const isBroken = (index: number) => index % 100 === 70
  function passage(index: number): Point {
    const plate = plateAt(index)
    const cipher = first.seal(plate)
    return {
      measurement: 'passage',
      // Close together, then days apart.
      atMs: T0 + index * (index < 2500 ? 40 : 3_600_000),
      tieBreak: index + 1,
      edgeId: `edge-0${index % 2}`,
      deviceId: 'cp-01',
      region: '410502003',
      series: '',
      labels: {
        plateCipher: isForeign(index)
          ? cipher.replace('1.', '9.')
          : isBroken(index)
            ? `${cipher.slice(0, -4)}AAAA`
            : cipher,
        ...(readPlate(plate)!.isComplete ? { plateHash: hashPlate(plate, HASH_KEY) } : {}),
      },
      fields: { lane: 1 },
    }
  }
  const deps = (more: Partial<RotationDeps> = {}): RotationDeps => ({
    plates: store.plates,
    relational,
    audit: auditFeature({ config: { rootScope: '4105' }, relational }),
    ring: second,
    plateHashKey: HASH_KEY,
    rehashWatchList: async () => 0,
    ...more,
  })
  const stored = async () => (await store.plates.read({ fromMs: 0, toMs: T0 * 2, limit: 10_000 })).plates
  const rotate = (
    more: Partial<RotationDeps> = {},
    isRehash = false,
    stopAfter = Number.POSITIVE_INFINITY,
  ) => {
    const stop = new AbortController()
    const tell = ({ done }: { done: number }) => {
      if (done >= stopAfter) stop.abort()
    }
    return rotatePlates(deps(more), { isRehash, signal: stop.signal, tell })
  }
  const entries = async () =>
    (await relational.read.selectFrom('audit').selectAll().orderBy('seq').execute()).map(
      ({ action, detail }) => ({ action, detail }),
    )

  it('that is stopped, or breaks, goes on where it was and ends with every plate as it was', async () => {
    const stopped = await rotate({}, false, 500)
    expect(stopped.isComplete).toBe(false)
    expect(stopped.encrypted).toBeGreaterThan(400)
    expect(stopped.encrypted).toBeLessThan(2000)

    let writes = 0
    const breaking = {
      ...store.plates,
      replace: async (changes: Parameters<typeof store.plates.replace>[0]) => {
        if (++writes > 1) throw new Error('the disk is gone')
        return store.plates.replace(changes)
      },
    }
    await expect(rotate({ plates: breaking })).rejects.toThrow('the disk is gone')

    const rest = await rotate()
    expect(rest).toMatchObject({ isComplete: true, version: 2, unreadable: 52, overtaken: 0, rehashed: 0 })
    expect(rest.unreadablePlates[0]).toEqual({
      checkpointId: 'cp-01',
      passedAtMs: T0 + 50 * 40,
      version: 9,
      why: 'no-key',
    })
    const plates = await stored()
    expect(plates.length).toBe(2600)
    const newOnly = new PlateKeyRing(LINES[1])
    for (const [index, { plateCipher, plateHash }] of plates.entries()) {
      const opened = newOnly.open(plateCipher)
      if (isForeign(index) || isBroken(index))
        expect(opened).toMatchObject({ ok: false, version: isForeign(index) ? 9 : 1 })
      else expect(opened).toEqual({ ok: true, plate: plateAt(index), version: 2 })
      if (readPlate(plateAt(index))!.isComplete) expect(plateHash).toBe(hashPlate(plateAt(index), HASH_KEY))
    }
    const again = await rotate()
    expect([again.isComplete, again.encrypted, again.unreadable]).toEqual([true, 0, 52])
  })

  it('is on the record with what it did and could not do, and never a plate', async () => {
    const record = await entries()
    expect(record.map(({ action }) => action)).toEqual(
      Array.from({ length: 4 }, () => ['plates.rotation-begun', 'plates.rotated']).flat(),
    )
    expect(JSON.parse(record[5]!.detail)).toMatchObject({ version: 2, unreadable: 52, isComplete: true })
    expect(JSON.stringify(record)).not.toContain('豫')
  })

  it('tells which versions are in use, by whom, and which may go', async () => {
    const use = await keyUse(store.plates, new PlateKeyRing(LINES.join(',')))
    expect(
      use.map(({ version, isInRing, isCurrent, passages }) => [version, isInRing, isCurrent, passages]),
    ).toEqual([
      [1, true, false, 26],
      [2, true, false, 2548],
      [3, true, true, 0],
      [9, false, false, 26],
    ])
    expect(use[1]!.edges.map(({ edgeId }) => edgeId).sort()).toEqual(['edge-00', 'edge-01'])
  })

  it('with a new key of hashes gives whole plates their new hash, and others none', async () => {
    const done = await rotate(
      { plateHashKey: NEW_HASH_KEY, rehashWatchList: async (given) => (given === NEW_HASH_KEY ? 7 : 0) },
      true,
    )
    expect(done).toMatchObject({ isComplete: true, encrypted: 0, unreadable: 52, watchListRehashed: 7 })
    const plates = await stored()
    for (const [index, { plateHash }] of plates.entries()) {
      const isWhole = readPlate(plateAt(index))!.isComplete
      const under = isForeign(index) || isBroken(index) ? HASH_KEY : NEW_HASH_KEY
      expect(plateHash).toBe(isWhole ? hashPlate(plateAt(index), under) : undefined)
    }
    expect(done.rehashed).toBe(2600 - 260 - 52)
  })

  it('does nothing without keys, and says what is missing', async () => {
    await expect(rotate({ ring: new PlateKeyRing(undefined) })).rejects.toMatchObject({
      code: 'HUB_PLATE_KEY',
    })
    await expect(rotate({ plateHashKey: undefined }, true)).rejects.toThrow('PATROLHUB_PLATE_HASH_KEY_FILE')
  })
})
