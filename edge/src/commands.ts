/** What an engineer runs beside an edge: trying a mapping, and looking at messages that were refused. */
import { readFileSync } from 'node:fs'
import type { EdgeConfig } from './config.ts'
import { passageReader, readingReader } from './intake/device-reader.ts'
import type { Passage } from './intake/motor-vehicle.ts'
import { maskPlates } from './intake/plate.ts'
import { QuarantineFolder } from './intake/quarantine-folder.ts'

export interface CommandIo {
  out: (text: string) => void
  err: (text: string) => void
}

/** Reads standard input to its end. */
export function readStdin(): Buffer {
  return readFileSync(0)
}

/** Shows what a message of this device would become; 0 if something comes out, 1 if nothing does. */
export function tryMapping(config: EdgeConfig, deviceId: string, payload: Uint8Array, io: CommandIo): number {
  const checkpoint = config.checkpoints.find((each) => each.checkpointId === deviceId)
  const sensor = config.sensors.find((each) => each.sensorId === deviceId)
  if (!checkpoint && !sensor) {
    io.err(`no checkpoint or sensor has the id ${deviceId}\n`)
    return 2
  }
  const read = checkpoint
    ? passageReader(checkpoint, config.mappings)
    : readingReader(sensor!, config.mappings)
  const { items, refusals } = read(payload)
  for (const item of items) {
    const { atMs } = item
    const at = atMs === undefined ? 'at arrival' : new Date(atMs).toISOString()
    io.out(`${at} ${JSON.stringify(withoutPictures(item))}\n`)
  }
  for (const { item, field, reason } of refusals) {
    io.out(`refused${item === undefined ? '' : ` item ${item}`}: ${field} ${reason}\n`)
  }
  return items.length > 0 ? 0 : 1
}

/** `list` shows what is there; `show ID` one message, with what looks like a plate hidden. */
export async function quarantine(
  config: EdgeConfig,
  args: readonly string[],
  io: CommandIo,
): Promise<number> {
  const folder = new QuarantineFolder({
    dataDir: config.dataDir,
    secret: config.hub.token,
    ...config.intake.quarantine,
  })
  const [action, id] = args
  if (action === 'list' && id === undefined) {
    for (const entry of await folder.list()) {
      const refusals = (await folder.read(entry.id))?.refusals
      const why = refusals?.map(({ field, reason }) => `${field} ${reason}`).join('; ')
      const shown = maskPlates(why ?? 'cannot be read: damaged, or kept under another token')
      io.out(`${entry.id}  ${new Date(entry.atMs).toISOString()}  ${entry.deviceId}  ${shown}\n`)
    }
    return 0
  }
  if (action === 'show' && id !== undefined) {
    const message = await folder.read(id)
    if (!message) {
      io.err(`${id}: no such message, damaged, or kept under another token\n`)
      return 1
    }
    const { deviceId, atMs, topic, refusals, payload, bytes } = message
    io.out(`${deviceId} by ${topic} at ${new Date(atMs).toISOString()}, ${bytes} bytes\n`)
    for (const { item, field, reason } of refusals) {
      io.out(`refused${item === undefined ? '' : ` item ${item}`}: ${field} ${maskPlates(reason)}\n`)
    }
    io.out(`\n${maskPlates(payload.toString('utf8'))}${payload.length < bytes ? '…' : ''}\n`)
    return 0
  }
  io.err('usage: npm run edge -- quarantine --config FILE list | show ID\n')
  return 2
}

function withoutPictures(item: object): object {
  const { pictures, plate, ...rest } = item as Partial<Passage>
  const shown = plate && { ...plate, text: maskPlates(plate.text) }
  return {
    ...rest,
    ...(shown ? { plate: shown } : {}),
    ...(pictures ? { pictures: pictures.map(({ widthPx, heightPx }) => `${widthPx}x${heightPx}`) } : {}),
  }
}
