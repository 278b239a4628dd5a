/**
 * Composes the log of changes: what this hub notes, the tail that every hub follows, and what follows from a change
 * besides telling the screens: streams are cut, sockets are ended, who owns which device is read again.
 */
import type { Logger } from 'pino'
import type { Access, SessionEnd } from '../access/access.ts'
import type { Devices } from '../devices/devices.ts'
import type { Relational } from '../ports/relational.ts'
import type { Wakeups } from '../ports/wakeups.ts'
import type { Push, PushMessage } from '../push/push.ts'
import type { Streams } from '../streams/streams.ts'
import { ChangeTail } from './change-tail.ts'
import { type Change, type ChangeKind, type ChangeLog, changesAfter, logBounds, trimLog } from './changes.ts'
import { messagesFor, type TellingFeatures } from './told.ts'

/** A client that missed more than this fetches its lists instead. */
const MAX_REPLAYED = 2000
/** The log keeps this much for clients that come back. */
const KEEP_ROWS = 100_000
const KEEP_MS = 24 * 3600_000

export interface ChangesDeps extends TellingFeatures {
  relational: Relational
  changes: ChangeLog
  push: Push
  wakeups: Wakeups
  /** Other hubs may work on the same store. */
  mayHaveOthers: boolean
  log: Logger
  access: Pick<Access, 'onSessionsEnded' | 'onUsersChanged'>
  devices: Pick<Devices, 'views' | 'refresh'>
  streams: Pick<Streams, 'grantViews' | 'grantsChanged' | 'incidentsChanged' | 'cutSessions' | 'look'>
}

export interface ChangesFeature {
  start(): Promise<void>
  close(): Promise<void>
  /** See PushDeps.missed. */
  missed(since: number, upTo: number): Promise<PushMessage[] | undefined>
  /** Forgets old changes. */
  trim(nowMs: number): Promise<void>
  stats(): { upTo: number; skipped: number }
}

export function changesFeature(deps: ChangesDeps): ChangesFeature {
  const { relational, changes, push, wakeups, access, devices, streams } = deps
  const log = deps.log.child({ component: 'changes' })
  const tail = new ChangeTail({ relational, log: deps.log, handle })
  const stops: (() => void)[] = []

  async function handle(news: readonly Change[]): Promise<void> {
    const idsOf = (kind: ChangeKind) =>
      news.filter((change) => change.kind === kind).map((change) => change.subjectId)
    // What must stop is stopped before anything is told.
    await streams.grantsChanged(new Set(idsOf('grant')))
    await streams.incidentsChanged(new Set(idsOf('incident')))
    const ended = Map.groupBy(
      news.filter(({ kind }) => kind === 'session'),
      ({ detail }) => detail,
    )
    for (const [reason, group] of ended) {
      const hashes = group.map(({ subjectId }) => subjectId)
      push.endSessions(hashes, reason)
      streams.cutSessions(hashes)
    }
    const userIds = idsOf('user')
    if (userIds.length > 0) {
      push.refreshUsers(userIds)
      streams.look()
    }
    for (const edgeId of new Set(idsOf('edge'))) await devices.refresh(edgeId)
    push.send(await messagesFor(relational.read, deps, news), news.at(-1)!.revision)
  }

  /** Of what happened here already: the other hubs are told by the log. */
  function noteOthers(kind: 'session' | 'user', ids: readonly string[], detail = ''): void {
    relational.write
      .transaction()
      .execute((trx) => changes.note(trx, kind, ids, detail))
      .catch((err: unknown) => log.error({ err, kind }, 'a change could not be noted for the other hubs'))
  }

  return {
    async start() {
      await tail.start()
      push.send([], tail.upTo)
      stops.push(
        relational.onCommit(() => {
          if (!changes.takeDirty()) return
          tail.wake()
          wakeups.send()
        }),
        wakeups.onWakeup(() => tail.wake()),
      )
      if (deps.mayHaveOthers) {
        stops.push(
          access.onSessionsEnded((hashes, reason: SessionEnd) => noteOthers('session', hashes, reason)),
          access.onUsersChanged((userIds) => noteOthers('user', userIds)),
        )
      }
    },
    async close() {
      for (const stop of stops) stop()
      await tail.close()
    },
    async missed(since, upTo) {
      const { oldest } = await logBounds(relational.read)
      if (since + 1 < oldest) return undefined
      const news = await changesAfter(relational.read, since, MAX_REPLAYED + 1)
      const due = news.filter(({ revision }) => revision <= upTo)
      if (due.length > MAX_REPLAYED) return undefined
      return messagesFor(relational.read, deps, due)
    },
    async trim(nowMs) {
      await relational.write
        .transaction()
        .execute((trx) => trimLog(trx, { sinceMs: nowMs - KEEP_MS, rows: KEEP_ROWS }))
    },
    stats: () => ({ upTo: tail.upTo, skipped: tail.skipped }),
  }
}
