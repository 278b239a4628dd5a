/** The commands about stored plates: by the running hub, which holds the points; by this process if none runs. */
import type { Logger } from 'pino'
import { PlateKeyRing } from './access/plate-keys.ts'
import { Sealing, secretsKeyOf } from './access/sealing.ts'
import { openRelational } from './adapters/relational/open.ts'
import { auditFeature } from './audit/audit-feature.ts'
import { chinaClock } from './china-day.ts'
import type { HubConfig } from './config.ts'
import { askHub } from './control.ts'
import { isHubRunning, lockDataFolder, requireStore } from './data-folder.ts'
import { HubError } from './errors.ts'
import { keyUse, type VersionUse } from './plates/key-use.ts'
import { type Rotation, type RotationProgress, rotatePlates } from './plates/rotate.ts'
import { rehashWatchList } from './watchlist/rehash.ts'

export type PlatesCommand =
  | { kind: 'plates keys'; asJson: boolean }
  | { kind: 'plates rotate'; isRehash: boolean; asJson: boolean }

export const PLATES_USAGE = `  plates keys [--json]                                  how many stored plates lie under which version of the key, and
                                                        which edges used it last; says which versions may go
  plates rotate [--rehash] [--json]                     encrypt stored plates anew with the current key; with --rehash also
                                                        give them the hashes of a new hash key. May be stopped and begun again`

/** What stands behind `plates`. Throws HUB_USAGE. */
export function parsePlatesCommand(
  verb: string,
  rest: readonly string[],
  values: { rehash?: boolean | undefined; json?: boolean | undefined },
): PlatesCommand {
  if (rest.length > 0) throw new HubError('HUB_USAGE', `"plates ${verb}" takes no further words; see --help`)
  const asJson = values.json === true
  switch (verb) {
    case 'keys':
      return { kind: 'plates keys', asJson }
    case 'rotate':
      return { kind: 'plates rotate', isRehash: values.rehash === true, asJson }
    default:
      throw new HubError('HUB_USAGE', `there is no command "plates ${verb}"; see --help`)
  }
}

export interface PlatesIo {
  /** Ends a rotation after the batch at hand. */
  signal: AbortSignal
  /** A line about how far it has come. */
  say(line: string): void
}

/** What the two commands ask, of a hub or of stores that this process holds. */
interface PlatesWork {
  keys(): Promise<VersionUse[]>
  rotate(
    isRehash: boolean,
    io: { signal: AbortSignal; tell(progress: RotationProgress): void },
  ): Promise<Rotation>
}

/** `isGood` false: something is left that cannot be read, or the rotation was stopped. */
export async function runPlatesCommand(
  command: PlatesCommand,
  config: HubConfig,
  log: Logger,
  io: PlatesIo,
): Promise<{ text: string; isGood: boolean }> {
  requireStore(config)
  await using stack = new AsyncDisposableStack()
  const work = isHubRunning(config.dataDir) ? byHub(config) : await byOneself(config, log, stack)
  if (command.kind === 'plates keys') return report(await work.keys(), undefined, command.asJson)
  const rotation = await work.rotate(command.isRehash, { signal: io.signal, tell: everySecond(io.say) })
  return report(await work.keys(), rotation, command.asJson)
}

function byHub({ dataDir }: HubConfig): PlatesWork {
  return {
    keys: () => askHub(dataDir, { job: 'plates-keys', wish: {}, failsWith: 'HUB_PLATES' }),
    rotate: (isRehash, { signal, tell }) =>
      askHub<Rotation, RotationProgress>(dataDir, {
        job: 'plates-rotate',
        wish: { isRehash },
        failsWith: 'HUB_PLATES',
        signal,
        tell,
      }),
  }
}

async function byOneself(config: HubConfig, log: Logger, stack: AsyncDisposableStack): Promise<PlatesWork> {
  const { openTimeSeries } = await import('./adapters/timeseries/open.ts')
  const folder = stack.adopt(lockDataFolder(config.dataDir), (locked) => locked.release())
  const relational = stack.adopt(await openRelational(config, log), (store) => store.close())
  const { plates } = stack.adopt(await openTimeSeries(config, folder.path, log), (store) => store.close())
  const ring = new PlateKeyRing(config.plateKeys)
  const audit = auditFeature({ config, relational })
  const sealing = new Sealing(config.secretsKey ?? secretsKeyOf(config.dataDir))
  const { plateHashKey } = config
  const rehash = (hashKey: string) => rehashWatchList({ relational, audit, sealing }, hashKey)
  return {
    keys: () => keyUse(plates, ring),
    rotate: (isRehash, io) =>
      rotatePlates(
        { plates, relational, audit, ring, plateHashKey, rehashWatchList: rehash },
        { isRehash, ...io },
      ),
  }
}

function everySecond(say: (line: string) => void): (progress: RotationProgress) => void {
  let saidAtMs = 0
  return ({ done, total }) => {
    const nowMs = performance.now()
    if (nowMs - saidAtMs < 1000) return
    saidAtMs = nowMs
    const percent = Math.min(100, Math.floor((100 * done) / Math.max(1, total)))
    say(`${done} of ${total} plates (${percent} %)`)
  }
}

function report(
  keys: VersionUse[],
  rotation: Rotation | undefined,
  asJson: boolean,
): { text: string; isGood: boolean } {
  const isGood = rotation === undefined || (rotation.isComplete && rotation.unreadable === 0)
  if (asJson) return { text: `${JSON.stringify({ rotation, keys }, undefined, 1)}\n`, isGood }
  const lines = [...(rotation ? describeRotation(rotation) : []), ...describeKeys(keys)]
  return { text: `${lines.join('\n')}\n`, isGood }
}

function describeRotation(rotation: Rotation): string[] {
  const { isComplete, version, encrypted, rehashed, overtaken, unreadable, watchListRehashed } = rotation
  return [
    isComplete ? 'the rotation is done' : 'STOPPED before the end: run it again, it goes on where it is',
    `encrypted anew with version ${version}: ${encrypted}`,
    ...(rehashed > 0 ? [`given a new hash: ${rehashed}`] : []),
    ...(watchListRehashed > 0 ? [`given a new hash on the watch list: ${watchListRehashed}`] : []),
    ...(overtaken > 0 ? [`changed or deleted meanwhile, left alone: ${overtaken}`] : []),
    ...(unreadable > 0 ? [`could NOT be read, left as they are: ${unreadable}`] : []),
    ...rotation.unreadablePlates.map(
      ({ checkpointId, passedAtMs, version: under, why }) =>
        `  - ${checkpointId} ${chinaClock(passedAtMs)}: ${why === 'no-key' ? `no key of version ${under}` : `does not open with version ${under}`}`,
    ),
    ...(unreadable > rotation.unreadablePlates.length
      ? [`  - and ${unreadable - rotation.unreadablePlates.length} more`]
      : []),
  ]
}

/** Edges named for a version; the others are counted. */
const EDGES_SHOWN = 10

function describeKeys(keys: readonly VersionUse[]): string[] {
  if (keys.length === 0) return ['there are no keys of plates and no encrypted plates']
  return keys.flatMap(({ version, isInRing, isCurrent, passages, oldestMs, newestMs, edges }) => {
    const what = isCurrent ? 'current' : isInRing ? 'old' : 'NOT in the ring of this hub'
    const head = `version ${version} (${what}): ${passages} plates`
    if (oldestMs === null || newestMs === null) {
      const advice = isCurrent ? '' : '; may go once no edge uses it any more'
      return [head + advice]
    }
    const span = `, passed ${chinaClock(oldestMs)} to ${chinaClock(newestMs)}`
    const shown = edges.slice(0, EDGES_SHOWN)
    return [
      head + span,
      ...shown.map((edge) => `  - ${edge.edgeId}: ${edge.passages}, the last ${chinaClock(edge.newestMs)}`),
      ...(edges.length > shown.length ? [`  - and ${edges.length - shown.length} more edges`] : []),
    ]
  })
}
