import type { HealthRecord } from '@patrolhub/protocol'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { Health } from './health.ts'

/** A box that answers when it is told to. */
function slowBox() {
  const kept: HealthRecord[] = []
  const answered = Promise.withResolvers<HealthRecord['box']>()
  const health = new Health({
    everySeconds: 60,
    box: () => answered.promise,
    hubClock: () => undefined,
    recordingLosses: () => ({ lostSegments: 0, droppedPictures: 0 }),
    evidencePending: () => 0,
    cameras: () => [],
    journalRecords: () => 0,
    refusedMessages: () => 0,
    devices: () => [],
    append: async (record) => kept.push(record),
    log: pino({ level: 'silent' }),
  })
  const answer = async () => {
    answered.resolve(undefined)
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
  }
  return { health, kept, answer }
}

it('writes the first record at once', async () => {
  const { health, kept, answer } = slowBox()
  health.start()
  await answer()
  expect(kept).toHaveLength(1)
  health.close()
})

it('does not keep a record that was begun before it was closed: the cameras may be gone by then', async () => {
  const { health, kept, answer } = slowBox()
  health.start()
  health.close()
  await answer()
  expect(kept).toEqual([])
})
