import type { MotorVehicle } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDeviceReadings } from './device-reading.ts'
import { parseMotorVehicles, readColour } from './motor-vehicle.ts'
import { parsePassTime } from './pass-time.ts'

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))
const passages = (value: unknown) => parseMotorVehicles(bytes(value), '+08:00')
const NOON_MS = Date.UTC(2026, 9, 1, 4, 0, 0)
const vehicle = { TollgateID: '41050200001210000001', LaneNo: 2, PassTime: '20261001120000' }

describe('passages of GA/T 1400', () => {
  it('are read in the strict form, local time by the offset of the station', () => {
    expect(
      passages({
        ...vehicle,
        PlateNo: '豫E·12345',
        PlateColor: 'blue',
        VehicleClass: 'K33',
        Speed: 62.5,
        Direction: 'north',
      }),
    ).toEqual({
      items: [
        {
          atMs: NOON_MS,
          lane: 2,
          speedKmh: 62.5,
          vehicleClass: 'K33',
          plateColour: 'blue',
          direction: 'north',
          plate: { text: '豫E12345', isComplete: true },
        },
      ],
      refusals: [],
      ids: [''],
      unusablePictures: 0,
    })
  })

  it('are found in every wrapping that devices use', () => {
    for (const message of [
      vehicle,
      [vehicle],
      { MotorVehicleObject: [vehicle] },
      { MotorVehicleObject: vehicle },
      { MotorVehicleListObject: { MotorVehicleObject: [vehicle] } },
      { motorVehicleObjectList: { MotorVehicleObject: [vehicle] } },
    ]) {
      expect(passages(message).items, JSON.stringify(message)).toMatchObject([{ atMs: NOON_MS, lane: 2 }])
    }
  })

  it('may carry numbers as text, names in another case and values that say nothing', () => {
    const { items } = passages({
      laneno: '03',
      PASSTIME: '20261001120000123',
      Speed: '-1',
      PlateNo: '无车牌',
      PlateColor: '车身颜色',
      VehicleClass: '',
      Direction: 7,
    })
    expect(items).toEqual([{ atMs: NOON_MS + 123, lane: 3, plateColour: 'unknown', direction: '7' }])
    expect(passages({ PassTime: '20261001120000' }).items).toEqual([{ atMs: NOON_MS, lane: 0 }])
  })

  it('may be in GB 18030 or carry a byte order mark', () => {
    // "豫E12345" as GB 18030.
    const plate = Buffer.from([0xd4, 0xa5, 0x45, 0x31, 0x32, 0x33, 0x34, 0x35])
    const message = Buffer.concat([
      Buffer.from('{"PassTime":"20261001120000","PlateNo":"'),
      plate,
      Buffer.from('"}'),
    ])
    expect(parseMotorVehicles(message, '+08:00').items[0]?.plate?.text).toBe('豫E12345')
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes(vehicle)])
    expect(parseMotorVehicles(marked, '+08:00').items).toHaveLength(1)
  })

  it('keep their neighbours when one is refused, and say what and why', () => {
    const { items, refusals } = passages([
      vehicle,
      { ...vehicle, PassTime: '20260230120000' },
      { ...vehicle, LaneNo: 'left' },
      { LaneNo: 1 },
      7,
    ])
    expect(items).toHaveLength(1)
    expect(refusals.map(({ field }) => field)).toEqual(['PassTime', 'LaneNo', 'PassTime', '(message)'])
    expect(refusals[0]?.reason).toContain('20260230120000')
    expect(parseMotorVehicles(Buffer.from('<xml/>'), '+08:00').refusals).toEqual([
      { field: '(message)', reason: 'is not JSON' },
    ])
    expect(parseMotorVehicles(Buffer.alloc(0), '+08:00').refusals[0]?.reason).toBe('is empty')
  })

  it('know plates that were not or only partly read', () => {
    for (const none of ['无车牌', '', '-', '00000000', 'unknown', '********']) {
      expect(passages({ ...vehicle, PlateNo: none }).items[0]?.plate, none).toBeUndefined()
    }
    expect(passages({ ...vehicle, PlateNo: '豫E?2345' }).items[0]?.plate).toEqual({
      text: '豫E?2345',
      isComplete: false,
    })
    expect(passages({ ...vehicle, PlateNo: ' 豫ｅ-12345 ' }).items[0]?.plate?.text).toBe('豫E12345')
  })

  it('name colours by code, in English and in Chinese', () => {
    expect(['5', '05', '蓝', '蓝色', 'Blue'].map(readColour)).toEqual(Array(5).fill('blue'))
    expect(readColour('99')).toBe('other')
    expect(readColour('teal')).toBe('unknown')
    expect(readColour(undefined)).toBeUndefined()
  })

  it('survive a round trip of the strict form', () => {
    const strict: fc.Arbitrary<MotorVehicle> = fc.record(
      {
        TollgateID: fc.string({ maxLength: 64 }),
        LaneNo: fc.integer({ min: 0, max: 99 }),
        PassTime: fc
          .date({
            min: new Date('2000-01-01T00:00:00Z'),
            max: new Date('2199-12-30T00:00:00Z'),
            noInvalidDate: true,
          })
          .map((date) => date.toISOString().replace(/\D/g, '').slice(0, 17)),
        Speed: fc.double({ min: 0.1, max: 400, noNaN: true }),
        VehicleClass: fc.stringMatching(/^[A-Z]\d{1,2}$/),
      },
      { requiredKeys: ['TollgateID', 'LaneNo', 'PassTime'] },
    )
    fc.assert(
      fc.property(strict, (message) => {
        const { items, refusals } = parseMotorVehicles(bytes(message), '+00:00')
        expect(refusals).toEqual([])
        expect(items[0]).toMatchObject({
          lane: message.LaneNo,
          ...(message.Speed === undefined ? {} : { speedKmh: message.Speed }),
          ...(message.VehicleClass === undefined ? {} : { vehicleClass: message.VehicleClass }),
        })
        expect(new Date(items[0]!.atMs).toISOString().replace(/\D/g, '')).toBe(message.PassTime)
      }),
    )
  })

  it('give values or refusals for arbitrary bytes and arbitrary JSON, never an exception', () => {
    const arbitrary = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .array(fc.record({ PassTime: fc.anything(), LaneNo: fc.anything(), PlateNo: fc.anything() }), {
          maxLength: 4,
        })
        .map((value) =>
          Buffer.from(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v))),
        ),
    )
    fc.assert(
      fc.property(arbitrary, (payload) => {
        for (const parse of [(p: Uint8Array) => parseMotorVehicles(p, '+08:00'), parseDeviceReadings]) {
          const { items, refusals } = parse(payload)
          expect(items.length + refusals.length).toBeGreaterThan(0)
          for (const { field, reason } of refusals) expect(field && reason).not.toBe('')
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('instants', () => {
  it('may have separators and an offset of their own', () => {
    expect(parsePassTime('2026-10-01 12:00:00', '+08:00')).toBe(NOON_MS)
    expect(parsePassTime('2026/10/1 12:00:00', '+08:00')).toBe(NOON_MS)
    expect(parsePassTime('2026-10-01T04:00:00Z', '+08:00')).toBe(NOON_MS)
    expect(parsePassTime('2026-10-01T12:00:00.5+0800', '-03:00')).toBe(NOON_MS + 500)
    for (const wrong of ['', '2026', '20261301120000', '20261001250000', '19991001120000', 'now']) {
      expect(parsePassTime(wrong, '+08:00'), wrong).toBeUndefined()
    }
  })
})

describe('readings', () => {
  it('are one or a list, numbers also as text', () => {
    expect(
      parseDeviceReadings(
        bytes([
          { quantity: 'Water-Level', value: '3.25', unit: 'm', atMs: NOON_MS },
          { quantity: 'smoke', value: null },
          { quantity: 'smoke' },
          { quantity: 'smoke', value: -1e16 },
          { quantity: '9', value: 1 },
          { quantity: 'smoke', value: 1, atMs: 12 },
        ]),
      ),
    ).toEqual({
      items: [{ quantity: 'water_level', value: 3.25, unit: 'm', atMs: NOON_MS }],
      refusals: [
        { field: 'value', reason: 'is missing', item: 1 },
        { field: 'value', reason: 'is missing', item: 2 },
        { field: 'value', reason: 'is larger than any quantity', item: 3 },
        { field: 'quantity', reason: '9 is not a name such as water_level', item: 4 },
        { field: 'atMs', reason: 'is not a time in milliseconds since 1970', item: 5 },
      ],
    })
    expect(parseDeviceReadings(bytes({ quantity: 'smoke', value: 'high' })).refusals[0]?.reason).toBe(
      'is not a number',
    )
  })
})
