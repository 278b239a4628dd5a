import type { PushEvent } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_ALERTS, packetsFor } from './packets.ts'
import type { PushMessage } from './push.ts'
import { roomsOfTarget } from './rooms.ts'

const message = (event: PushEvent['event'], id: number, target: PushMessage['target']): PushMessage => ({
  target,
  event: { event, payload: { id } } as unknown as PushEvent,
})
const idsOf = (events: readonly PushEvent[]) =>
  events.map(({ payload }) => (payload as unknown as { id: number }).id)

const target = fc.record(
  {
    region: fc.constantFrom('4105', '410502', '410502003', '410503'),
    teamId: fc.constantFrom('t1', 't2'),
    userId: fc.constantFrom('u1', 'u2'),
  },
  { requiredKeys: [] },
)

describe('packets', () => {
  it('bring each socket each message of its rooms once, in order, and nothing else', () => {
    const messages = fc.array(fc.tuple(fc.constantFrom('incident', 'dispatch', 'grant', 'edge'), target), {
      maxLength: 20,
    })
    const rooms = fc.subarray([
      'incident.read@scope:4105',
      'incident.read@scope:410502',
      'dispatch.read@scope:410502',
      'device.read@scope:410503',
      'grant.approve@scope:4105',
      'team:t1',
      'user:u1',
    ])
    fc.assert(
      fc.property(messages, fc.array(rooms, { maxLength: 5 }), (sent, roomsOfSockets) => {
        const all = sent.map(([event, to], index) => message(event as 'edge', index, to))
        const sockets = roomsOfSockets.map((own, index) => ({ id: `s${index}`, rooms: new Set(own) }))
        const packets = packetsFor(all, sockets, 7)
        for (const { id, rooms: own } of sockets) {
          const mine = packets.filter(({ socketIds }) => socketIds.includes(id))
          const due = all.flatMap(({ target: to, event }, index) =>
            roomsOfTarget(to, event.event).some((room) => own.has(room)) ? [index] : [],
          )
          expect(mine.length).toBe(due.length > 0 ? 1 : 0)
          expect(mine.flatMap(({ changes }) => idsOf(changes.events))).toEqual(due)
        }
      }),
    )
  })

  it('are shared by sockets that hear the same', () => {
    const room = roomsOfTarget({ region: '4105' }, 'alert')[0]!
    const sockets = Array.from({ length: 200 }, (_, index) => ({
      id: `s${index}`,
      rooms: new Set([room, `s${index}`]),
    }))
    const packets = packetsFor([message('alert', 1, { region: '410502' })], sockets, 1)
    expect(packets.map(({ socketIds }) => socketIds.length)).toEqual(
      roomsOfTarget({ region: '410502' }, 'alert').includes(room) ? [200] : [],
    )
  })

  it('leave out the oldest alerts of a burst and count them, and never a dispatch or an incident', () => {
    const region = '4105'
    const rooms = new Set([
      ...roomsOfTarget({ region }, 'alert'),
      ...roomsOfTarget({ region }, 'dispatch'),
      ...roomsOfTarget({ region }, 'incident'),
    ])
    const kinds = ['alert', 'dispatch', 'incident'] as const
    const all = Array.from({ length: 300 }, (_, index) => message(kinds[index % 3]!, index, { region }))
    const [packet] = packetsFor(all, [{ id: 's', rooms }], 3)
    const { events, omittedAlerts } = packet!.changes
    expect(omittedAlerts).toBe(100 - MAX_ALERTS)
    const count = (kind: string) => events.filter(({ event }) => event === kind).length
    expect([count('alert'), count('dispatch'), count('incident')]).toEqual([MAX_ALERTS, 100, 100])
    expect(Math.min(...idsOf(events.filter(({ event }) => event === 'alert')))).toBe((100 - MAX_ALERTS) * 3)
  })
})
