/**
 * The gate: the only way in and out for video, live or recorded. A player is let through with its session and an active grant of
 * the same user, and cut the moment either ends; a publisher is let through while somebody watches its camera.
 *
 * Order that makes the cut safe: a viewing is registered first, then grant and session are read. An end that is
 * committed before the reading is seen by it; one that is committed later finds the viewing registered.
 */
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { CameraHealth, HistorySpan, HistorySpeed, Rendition } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { EdgeIdentity } from '../access/access.ts'
import type { Principal } from '../access/principal.ts'
import { HubError, type HubErrorCode } from '../errors.ts'
import { admit, type Wanted } from './admission.ts'
import { CameraStream, type StreamPlayer } from './camera-stream.ts'
import { type EdgeAsks, needEdge } from './edge-asks.ts'
import type { TargetCamera } from './grant-cameras.ts'
import type { Grants } from './grants.ts'
import { HistoryStream } from './history-stream.ts'
import type { StreamLimits } from './limits.ts'
import type { MediaServer } from './media-server.ts'
import { Player, type PlayerSink } from './player.ts'
import type { StreamsDeps, StreamsStats, WhyClosed } from './streams.ts'
import type { ViewingRecord, Viewings } from './viewings.ts'

/** Counts of open viewings are written this often. */
const KEEP_MS = 10_000
const CLOSE_ATTEMPTS = 3
const CLOSE_RETRY_MS = 500
/** The longest wait that a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** What a player is told that was cut before its first picture. */
const ANSWERS: Readonly<Record<WhyClosed, [HubErrorCode, string]>> = {
  'player left': ['HUB_STREAM_NONE', 'the player left'],
  'grant expired': ['HUB_GRANT_ENDED', 'the grant has expired'],
  'grant revoked': ['HUB_GRANT_ENDED', 'the grant was revoked'],
  'camera closed': ['HUB_GRANT_ENDED', 'the grant does not open this camera any more'],
  'session ended': ['HUB_NOT_SIGNED_IN', 'the session has ended'],
  'too slow': ['HUB_STREAM_NONE', 'the player did not keep up'],
  'no stream': ['HUB_STREAM_NONE', 'no picture came from the edge in time'],
  'stream lost': ['HUB_STREAM_NONE', 'the stream was lost'],
  'history over': ['HUB_HISTORY_NONE', 'nothing more of the span is recorded'],
  'nothing recorded': ['HUB_HISTORY_NONE', 'nothing of that time is recorded'],
  'not playable': ['HUB_HISTORY_FORMAT', 'it was recorded in a format that cannot be played'],
  'hub stopped': ['HUB_STREAM_NONE', 'the hub is stopping'],
  'hub crashed': ['HUB_STREAM_NONE', 'the hub is stopping'],
}

export interface GateDeps extends StreamsDeps {
  grants: Grants
  asks: EdgeAsks
  viewings: Viewings
  media: MediaServer
  bounds: StreamLimits
}

/** What a player asks for. Of history: where to begin, wall clock, and how fast. */
export interface ToWatch extends Wanted {
  /** The player can play H.265; for others it is converted. */
  playsH265?: boolean | undefined
  atMs?: number | undefined
  speed?: HistorySpeed | undefined
}

interface Viewing extends ViewingRecord {
  /** Set once; a viewing with it is over. */
  why?: WhyClosed
  isRecorded: boolean
  expiry?: NodeJS.Timeout
  stream?: CameraStream | HistoryStream
  /** In the stream's set of players. */
  place: StreamPlayer
  sink: PlayerSink
  started: PromiseWithResolvers<void>
}

type Figures = Omit<StreamsStats, 'mediaServerRestarts'>

export class Gate {
  readonly #deps: GateDeps
  readonly #log: Logger
  readonly #now: () => number
  readonly #viewings = new Set<Viewing>()
  readonly #streams = new Map<string, CameraStream>()
  readonly #histories = new Set<HistoryStream>()
  readonly #closing = new Set<Promise<void>>()
  readonly #counters = { viewingsOpened: 0, playersSkipped: 0, tagsDropped: 0 }
  readonly #closed: Partial<Record<WhyClosed, number>> = {}
  readonly #refused: Record<string, number> = {}
  #keptMs = performance.now()
  #isClosed = false

  constructor(deps: GateDeps) {
    this.#deps = deps
    this.#log = deps.log.child({ component: 'gate' })
    this.#now = deps.now ?? Date.now
    deps.grants.onCut(({ grantId, keeps, why }) =>
      this.#cutWhere((viewing) => viewing.grantId === grantId && !isKept(viewing, keeps), why),
    )
  }

  stats(): Figures {
    const streams = [...this.#streams.values()]
    return {
      viewings: this.#viewings.size,
      camerasWanted: streams.length,
      camerasPublished: streams.filter((stream) => stream.isPublished).length,
      viewingsClosed: { ...this.#closed },
      publishesRefused: { ...this.#refused },
      waitingBytes: [...this.#viewings].reduce((sum, { place }) => sum + place.player.waitingBytes, 0),
      ...this.#counters,
    }
  }

  /**
   * Lets a player through. `cameraId` may be left out where the grant is for one camera. Resolves when the first picture
   * has been written, or when the player has left; `left` aborts when its connection is gone. Throws HUB_NOT_FOUND for a
   * grant that is not the caller's and a camera that it does not open, HUB_GRANT_PENDING, HUB_GRANT_ENDED,
   * HUB_GRANT_KIND, HUB_NOT_SIGNED_IN, HUB_STREAM_FULL, HUB_STREAM_NONE, HUB_HISTORY_NONE, HUB_HISTORY_FORMAT.
   */
  async watch(
    viewer: Principal,
    wanted: ToWatch,
    way: { sink: PlayerSink; left: AbortSignal },
  ): Promise<void> {
    const viewing = this.#register(viewer, wanted, way.sink)
    const leave = () => this.#close(viewing, 'player left')
    if (way.left.aborted) leave()
    way.left.addEventListener('abort', leave, { once: true })
    try {
      await this.#admit(viewing, wanted)
    } catch (error) {
      this.#forget(viewing)
      throw error
    }
    await viewing.started.promise
  }

  /** Takes a publisher until it ends. Throws what it is to be told; see CameraStream.publish. */
  async publish(
    edge: EdgeIdentity,
    { cameraId, rendition }: { cameraId: string; rendition: Rendition },
    source: Readable | undefined,
  ): Promise<void> {
    try {
      const row = await this.#deps.relational.read
        .selectFrom('device')
        .select('device_id')
        .where('device_id', '=', cameraId)
        .where('edge_id', '=', edge.edgeId)
        .where('kind', '=', 'camera')
        .executeTakeFirst()
      if (!row) throw new HubError('HUB_NOT_FOUND', `edge ${edge.edgeId} has no camera ${cameraId}`)
      const stream = this.#streams.get(keyOf(cameraId, rendition))
      if (!stream) throw new HubError('HUB_STREAM_NOT_WANTED', `nobody watches ${cameraId}`)
      if (!source) throw new HubError('HUB_STREAM_FORMAT', 'the request has no content')
      await stream.publish(source)
    } catch (error) {
      const code = error instanceof HubError ? error.code : 'HUB_INTERNAL'
      this.#refused[code] = (this.#refused[code] ?? 0) + 1
      throw error
    }
  }

  /** Cuts the viewings of these sessions. */
  cutSessions(sessionHashes: readonly string[]): void {
    const ended = new Set(sessionHashes)
    this.#cutWhere(({ viewer }) => ended.has(viewer.sessionHash), 'session ended')
  }

  /** Looks at all that time decides, and at sessions that ended without the hub having ended them. */
  async look(): Promise<void> {
    const nowMs = performance.now()
    for (const [key, stream] of this.#streams) {
      if (!stream.look(nowMs)) this.#streams.delete(key)
    }
    for (const stream of this.#histories) stream.look(nowMs)
    await this.#lookAtSessions()
    // A camera may have gone from its group, or moved, or become stricter than the grant is.
    await this.#deps.grants.check([...new Set([...this.#viewings].map(({ grantId }) => grantId))])
    if (nowMs - this.#keptMs < KEEP_MS) return
    this.#keptMs = nowMs
    const counts = [...this.#viewings].filter(({ isRecorded }) => isRecorded)
    await this.#deps.viewings.keep(
      counts.map(({ viewingId, place }) => ({ viewingId, bytes: place.player.sentBytes })),
    )
  }

  /** Cuts everybody; no more players or publishers come in. Idempotent. */
  cutAll(): void {
    this.#isClosed = true
    this.#cutWhere(() => true, 'hub stopped')
    for (const stream of this.#streams.values()) stream.close('the hub is stopping')
    this.#streams.clear()
  }

  /** After `cutAll`: waits until every viewing is closed on the record. */
  async settled(): Promise<void> {
    while (this.#closing.size > 0) await Promise.all(this.#closing)
  }

  #register(viewer: Principal, { grantId, cameraId = '' }: ToWatch, sink: PlayerSink): Viewing {
    const { bounds } = this.#deps
    if (this.#isClosed) throw new HubError('HUB_STREAM_NONE', 'the hub is stopping')
    if (this.#viewings.size >= bounds.maxPlayers) {
      throw new HubError('HUB_STREAM_FULL', `${bounds.maxPlayers} players are open already`)
    }
    const own = [...this.#viewings].filter((other) => other.viewer.userId === viewer.userId)
    if (own.length >= bounds.maxPlayersPerUser) {
      throw new HubError('HUB_STREAM_FULL', `you have ${bounds.maxPlayersPerUser} players open already`)
    }
    const started = Promise.withResolvers<void>()
    const giveUp = (why: WhyClosed): void => this.#close(viewing, why)
    const player = new Player({
      sink,
      limits: bounds,
      counters: this.#counters,
      onGiveUp: giveUp,
      onBegun: () => started.resolve(),
    })
    const viewing: Viewing = {
      viewingId: randomUUID(),
      grantId,
      cameraId,
      viewer,
      openedAtMs: this.#now(),
      isRecorded: false,
      isDrill: false,
      place: { player, giveUp },
      sink,
      started,
    }
    this.#viewings.add(viewing)
    return viewing
  }

  async #admit(viewing: Viewing, wanted: ToWatch): Promise<void> {
    const { grants, viewings } = this.#deps
    const { viewer } = viewing
    const [admitted, sessions] = await Promise.all([
      // Refused only after the session has been looked at: who has none is told nothing else.
      admit(grants, viewer.userId, wanted, this.#now).catch((error: Error) => error),
      this.#livingSessions([viewer.sessionHash]),
    ])
    if (!sessions.has(viewer.sessionHash)) throw cutError('session ended')
    if (admitted instanceof Error) throw admitted
    const { grant, camera } = admitted
    viewing.cameraId = camera.cameraId
    viewing.isDrill = grant.plan?.isDrill ?? false
    const isUntouched = grant.history !== undefined || wanted.playsH265 === true
    const rendition = isUntouched ? 'source' : await this.#renditionForAll(camera.cameraId)
    const stream = grant.history ? await this.#historyOf(camera, grant.history, wanted) : undefined
    if (stream) viewing.history = { atMs: wanted.atMs ?? grant.history!.fromMs, speed: wanted.speed ?? 1 }
    if (viewing.why) throw cutError(viewing.why)
    await viewings.open(viewing)
    viewing.isRecorded = true
    this.#counters.viewingsOpened += 1
    if (viewing.why) {
      this.#record(viewing, viewing.why)
      throw cutError(viewing.why)
    }
    const leftMs = Math.min(Math.max(0, grant.endAtMs - this.#now()), MAX_TIMER_MS)
    viewing.expiry = setTimeout(() => this.#close(viewing, 'grant expired'), leftMs)
    viewing.stream = stream ?? this.#streamOf(camera, rendition)
    if (stream) this.#histories.add(stream)
    viewing.stream.attach(viewing.place)
  }

  /** Throws HUB_STREAM_NONE while the edge is offline: nothing is recorded anywhere else. */
  async #historyOf(camera: TargetCamera, span: HistorySpan, wanted: ToWatch): Promise<HistoryStream> {
    const { asks, bounds } = this.#deps
    await needEdge(this.#deps.relational.read, camera.edgeId)
    const { edgeId, cameraId } = camera
    const atMs = Math.min(Math.max(wanted.atMs ?? span.fromMs, span.fromMs), span.toMs)
    const asked = { edgeId, cameraId, span }
    return new HistoryStream({ asked, atMs, speed: wanted.speed ?? 1, asks, limits: bounds })
  }

  /** What every player can play; a camera whose codec is not known yet is taken for one with H.264. */
  async #renditionForAll(cameraId: string): Promise<Rendition> {
    const row = await this.#deps.relational.read
      .selectFrom('device')
      .select('health')
      .where('device_id', '=', cameraId)
      .executeTakeFirst()
    const health = row?.health ? (JSON.parse(row.health) as CameraHealth) : undefined
    return health?.codec === 'h265' ? 'h264' : 'source'
  }

  #streamOf({ cameraId, edgeId }: TargetCamera, rendition: Rendition): CameraStream {
    const key = keyOf(cameraId, rendition)
    const existing = this.#streams.get(key)
    if (existing) return existing
    const { bounds, media, sendRelay } = this.#deps
    const stream = new CameraStream({
      cameraId,
      edgeId,
      rendition,
      limits: bounds,
      media,
      sendRelay,
      log: this.#log,
    })
    this.#streams.set(key, stream)
    return stream
  }

  #cutWhere(isMeant: (viewing: Viewing) => boolean, why: WhyClosed): void {
    for (const viewing of [...this.#viewings]) if (isMeant(viewing)) this.#close(viewing, why)
  }

  /** The bytes first, then everything else. Idempotent. */
  #close(viewing: Viewing, why: WhyClosed): void {
    if (viewing.why) return
    viewing.why = why
    const hasBegun = viewing.place.player.hasBegun
    const bytes = viewing.place.player.sentBytes
    if (hasBegun && why === 'history over') viewing.sink.end()
    else if (hasBegun) viewing.sink.cut()
    this.#forget(viewing)
    // A player that has not begun can still be told why; one that has left needs no answer.
    if (hasBegun || why === 'player left') viewing.started.resolve()
    else viewing.started.reject(cutError(why))
    if (viewing.isRecorded) this.#record(viewing, why, bytes)
  }

  #forget(viewing: Viewing): void {
    this.#viewings.delete(viewing)
    clearTimeout(viewing.expiry)
    viewing.stream?.detach(viewing.place)
    if (viewing.stream instanceof HistoryStream) this.#histories.delete(viewing.stream)
    // Nobody waits for it when `#admit` has thrown.
    viewing.started.promise.catch(() => undefined)
  }

  #record(viewing: Viewing, why: WhyClosed, bytes = 0): void {
    this.#closed[why] = (this.#closed[why] ?? 0) + 1
    const closing = this.#recordPersistently(viewing, why, bytes).finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  /** A store that fails now leaves the row open; the next start closes it. */
  async #recordPersistently(viewing: Viewing, why: WhyClosed, bytes: number): Promise<void> {
    const shown = viewing.stream instanceof HistoryStream ? viewing.stream.shown : undefined
    for (let attempt = 1; attempt <= CLOSE_ATTEMPTS; attempt++) {
      try {
        return await this.#deps.viewings.close(viewing, { bytes, why, shown })
      } catch (err) {
        const { viewingId } = viewing
        this.#log.error({ err, viewingId, attempt }, 'a viewing could not be closed on the record')
        await new Promise((resolve) => setTimeout(resolve, CLOSE_RETRY_MS))
      }
    }
  }

  async #lookAtSessions(): Promise<void> {
    const hashes = [...new Set([...this.#viewings].map(({ viewer }) => viewer.sessionHash))]
    if (hashes.length === 0) return
    const living = await this.#livingSessions(hashes)
    this.cutSessions(hashes.filter((hash) => !living.has(hash)))
  }

  async #livingSessions(hashes: readonly string[]): Promise<Set<string>> {
    const rows = await this.#deps.relational.read
      .selectFrom('session')
      .select('token_hash')
      .where('token_hash', 'in', hashes)
      .where('expires_at_ms', '>', this.#now())
      .execute()
    return new Set(rows.map((row) => row.token_hash))
  }
}

/** One that has not been let in yet and named no camera is for the one camera that the grant is for. */
function isKept({ cameraId }: Viewing, keeps: ReadonlySet<string>): boolean {
  return cameraId === '' ? keeps.size > 0 : keeps.has(cameraId)
}

function keyOf(cameraId: string, rendition: Rendition): string {
  return `${cameraId} ${rendition}`
}

function cutError(why: WhyClosed): HubError {
  return new HubError(...ANSWERS[why])
}
