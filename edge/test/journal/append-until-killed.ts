/** Child of journal.test.ts: appends without end and prints the number of each record once it is durable. */
import type { ReadingRecord } from '@patrolhub/protocol'
import { pino } from 'pino'
import { Journal } from '../../src/journal/journal.ts'

const journal = new Journal({
  dataDir: process.argv[2]!,
  maxBytes: 64 * 1024 ** 2,
  log: pino({ level: 'silent' }),
})
await journal.start()
const reading = (value: number): ReadingRecord => ({
  kind: 'reading',
  atMs: 1_760_000_000_000,
  deviceId: 's1',
  region: '4105',
  quantity: 'smoke',
  value,
  unit: '',
})
let value = 0
const writer = async () => {
  for (;;) {
    const mine = value++
    const { seq } = await journal.append(reading(mine))
    process.stdout.write(`${seq} ${mine}\n`)
  }
}
await Promise.all(Array.from({ length: 8 }, writer))
