import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MappingConfig } from '../config.ts'
import { passageReader, readingReader } from './device-reader.ts'
import { mappingProblems } from './mapping.ts'
import { TimePattern } from './time-pattern.ts'

const NOON_MS = Date.UTC(2026, 9, 1, 4)
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))
const rule = { threshold: 0.7, severity: 'minor', cooldownSeconds: 60, warmUpValues: 20 } as const
const silence = { isOn: true, minSeconds: 600, severity: 'minor' } as const

type Field = MappingConfig['fields'][number]
const field = (name: string, more: Partial<Field>): Field => ({
  field: name as Field['field'],
  from: 'item',
  scale: 1,
  offset: 0,
  timeFormat: 'local',
  ...more,
})

const PASSAGES: MappingConfig = {
  mappingId: 'maker-a',
  output: 'passages',
  items: '$.data.cars[?@.kind == "car"]',
  fields: [
    field('time', {
      path: '$.data.when',
      from: 'message',
      timeFormat: 'dd.MM.yyyy HH:mm:ss',
      timeZone: '+08:00',
    }),
    field('lane', { path: '$.lane', offset: 1 }),
    field('speedKmh', { path: '$.v', speedUnit: 'm/s' }),
    field('plateColour', { path: '$.colour', table: { B: 'blue', Y: 'yellow' }, otherwise: 'other' }),
    field('plate', { path: "$['plate no'][0]" }),
    field('direction', { constant: 'north' }),
  ],
}
const checkpoint = {
  ...{ checkpointId: 'gate', name: 'Gate', region: '4105', lanes: 2, timeZone: '+00:00' },
  ...{ flowWindowSeconds: 60, rule, silence, mapping: 'maker-a' },
}
const sensor = {
  ...{ sensorId: 'tank', name: 'Tank', region: '4105', quantity: 'level', unit: 'm', resolution: 0 },
  ...{ rule, silence, mapping: 'maker-b' },
}

describe('a mapping', () => {
  it('makes passages of another maker’s message: units, tables, a common time, a choice of items', () => {
    const read = passageReader(checkpoint, [PASSAGES])
    const { items, refusals } = read(
      bytes({
        data: {
          when: '01.10.2026 12:00:00',
          cars: [
            { kind: 'car', lane: 0, v: '9', colour: 'B', 'plate no': ['豫E·12345'] },
            { kind: 'cloud' },
            { kind: 'car', lane: 'left', colour: 'Q' },
            { kind: 'car', lane: 1, v: 9, colour: 'Q' },
          ],
        },
      }),
    )
    expect(items).toEqual([
      {
        ...{ atMs: NOON_MS, lane: 1, speedKmh: 32.4, plateColour: 'blue', direction: 'north' },
        plate: { text: '豫E12345', isComplete: true },
      },
      { atMs: NOON_MS, lane: 2, speedKmh: 32.4, plateColour: 'other', direction: 'north' },
    ])
    expect(refusals, 'by the name that the engineer gave').toEqual([
      { field: 'lane', reason: 'left is not a lane from 0 to 99', item: 1 },
    ])
    expect(read(bytes({ data: { when: 'noon', cars: [{ kind: 'car' }] } })).refusals).toEqual([
      { field: 'time', reason: 'noon is not a time of the form dd.MM.yyyy HH:mm:ss', item: 0 },
    ])
    expect(read(bytes({ data: {} })).refusals[0]?.reason).toBe('holds nothing')
  })

  it('makes readings, with the quantity and unit of the sensor', () => {
    const mapping: MappingConfig = {
      mappingId: 'maker-b',
      output: 'readings',
      items: '$',
      fields: [
        field('value', { path: '$..mm', scale: 0.001, offset: -0.5 }),
        field('time', { path: '$.ts', timeFormat: 'epoch-s' }),
      ],
    }
    const read = readingReader(sensor, [mapping])
    const message = bytes({ ts: NOON_MS / 1000, values: { mm: '1250' } })
    expect(read(message).items).toEqual([{ quantity: 'level', unit: 'm', value: 0.75, atMs: NOON_MS }])
    expect(read(bytes({ values: { mm: 'dry' } })).refusals).toEqual([
      { field: 'value', reason: 'is not a number', item: 0 },
    ])
  })

  it('names everything that is wrong with it, and where', () => {
    const places = mappingProblems({
      mappingId: 'x',
      output: 'readings',
      items: '$.a[',
      fields: [
        field('lane', { path: '$.x' }),
        field('time', { path: '$.t', timeFormat: 'yyyy MM' }),
        field('time', {}),
        field('unit', { constant: 'm', path: '$.u', otherwise: 'x', speedUnit: 'mph' }),
      ],
    }).map(({ place }) => place)
    expect(places).toEqual([
      ...['items', 'fields/0/field', 'fields/1/timeFormat', 'fields/2/field', 'fields/2', 'fields/3'],
      ...['fields/3/speedUnit', 'fields/3/otherwise', 'fields'],
    ])
    expect(mappingProblems(PASSAGES)).toEqual([])
  })

  it('gives items or refusals for arbitrary JSON, never an exception', () => {
    const read = passageReader(checkpoint, [{ ...PASSAGES, items: '$..*' }])
    fc.assert(
      fc.property(fc.json(), (text) => {
        const { items, refusals } = read(Buffer.from(text))
        expect(items.length + refusals.length).toBeGreaterThan(0)
      }),
      { numRuns: 200 },
    )
  })
})

describe('a time pattern', () => {
  it('reads back what was written in it, for any instant and offset', () => {
    const pattern = TimePattern.compile('dd/MM/yyyy HH:mm:ss.SSS')!
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2199, 0) }),
        fc.integer({ min: -12, max: 14 }),
        (atMs, hours) => {
          const [date, time] = new Date(atMs + hours * 3_600_000).toISOString().slice(0, -1).split('T')
          const [year, month, day] = date!.split('-')
          const zone = `${hours < 0 ? '-' : '+'}${String(Math.abs(hours)).padStart(2, '0')}:00`
          expect(pattern.parse(`${day}/${month}/${year} ${time}`, zone)).toBe(atMs)
        },
      ),
    )
    expect(pattern.parse('30/02/2026 00:00:00.000', '+00:00')).toBeUndefined()
    expect(TimePattern.compile('yyyy-MM-dd')).toBeUndefined()
  })
})
