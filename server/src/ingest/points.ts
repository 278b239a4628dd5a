/** The time-series points of a record. Alerts and evidence have none: they live in the relational store. */
import type { HealthRecord, JournalRecord } from '@patrolhub/protocol'
import type { EdgeIdentity } from '../ports/broker.ts'
import type { Point } from '../ports/timeseries.ts'

/** `seq` is the record's number in its stream: it makes each point's identity. */
export function pointsOf(record: JournalRecord, seq: number, edge: EdgeIdentity): Point[] {
  const base = { atMs: record.atMs, tieBreak: seq, edgeId: edge.edgeId }
  switch (record.kind) {
    case 'alert':
    case 'evidence':
      return []
    case 'passage':
      return [
        {
          ...base,
          measurement: 'passage',
          deviceId: record.deviceId,
          region: record.region,
          series: '',
          labels: present({
            vehicleClass: record.vehicleClass,
            plateColour: record.plateColour,
            direction: record.direction,
            timing: record.timing,
            plateHash: record.plateHash,
            plateCipher: record.plateCipher,
          }),
          fields: present({ lane: record.lane, speedKmh: record.speedKmh }),
        },
      ]
    case 'reading':
      return [
        {
          ...base,
          measurement: 'reading',
          deviceId: record.deviceId,
          region: record.region,
          series: record.quantity,
          labels: present({ unit: record.unit, timing: record.timing }),
          fields: { value: record.value },
        },
      ]
    case 'score':
      return [
        {
          ...base,
          measurement: 'score',
          deviceId: record.deviceId,
          region: record.region,
          series: record.series,
          labels: {},
          fields: {
            value: record.value,
            score: record.score,
            expectedLow: record.expectedLow,
            expectedHigh: record.expectedHigh,
          },
        },
      ]
    case 'health':
      return healthPoints(record, base, edge)
  }
}

function healthPoints(
  record: HealthRecord,
  base: Pick<Point, 'atMs' | 'tieBreak' | 'edgeId'>,
  edge: EdgeIdentity,
): Point[] {
  const { uptimeSeconds, cpuPercent, memoryMb, journalRecords, refusedMessages } = record
  const health = { ...base, measurement: 'health', region: edge.region } as const
  return [
    {
      ...health,
      deviceId: edge.edgeId,
      series: 'edge',
      labels: {},
      fields: { uptimeSeconds, cpuPercent, memoryMb, journalRecords, refusedMessages },
    },
    ...record.cameras.map((camera) => ({
      ...health,
      deviceId: camera.cameraId,
      series: 'camera',
      labels: { state: camera.state },
      fields: {
        framesAnalysed: camera.framesAnalysed,
        framesDropped: camera.framesDropped,
        inferenceMsP50: camera.inferenceMsP50,
        ...present({
          picturesPerSecond: camera.picturesPerSecond,
          decodeMsP50: camera.decodeMsP50,
          decodedShare: camera.decodedShare,
        }),
      },
    })),
    ...(record.devices ?? []).map(({ deviceId, state, taken, refused, clockOffsetMs }) => ({
      ...health,
      deviceId,
      series: 'device',
      labels: { state },
      fields: present({ taken, refused, clockOffsetMs }),
    })),
  ]
}

/** Without what is not there, and without empty text: some stores have no empty tag. */
function present<T extends string | number>(values: Record<string, T | undefined>): Record<string, T> {
  const found: Record<string, T> = {}
  for (const name in values) {
    const value = values[name]
    if (value !== undefined && value !== '') found[name] = value
  }
  return found
}
