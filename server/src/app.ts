/**
 * The hub, put together: stores, features, broker and HTTP server, in the order in which they start. This file is the
 * table of contents; features know each other only by what is handed to them here.
 */
import type { AddressInfo } from 'node:net'
import { edgeTopics } from '@patrolhub/protocol'
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import type { Logger } from 'pino'
import type { Access } from './access/access.ts'
import { accessFeature } from './access/access-feature.ts'
import { PlateKeyRing } from './access/plate-keys.ts'
import { ReadingLimit } from './access/plate-reading-limit.ts'
import { Sealing, secretsKeyOf } from './access/sealing.ts'
import { edgeCredentials, openBroker } from './adapters/broker/open.ts'
import { openRelational } from './adapters/relational/open.ts'
import { openTimeSeries } from './adapters/timeseries/open.ts'
import { openRedisWakeups } from './adapters/wakeups-redis.ts'
import { analyticsFeature } from './analytics/analytics.ts'
import { pointJobs } from './analytics/point-upkeep.ts'
import { auditFeature } from './audit/audit-feature.ts'
import { Sealer } from './audit/sealer.ts'
import { writeBackup } from './backup/backup.ts'
import { ChangeLog } from './changes/changes.ts'
import { changesFeature } from './changes/changes-feature.ts'
import { Clones } from './clones/clones.ts'
import type { HubConfig } from './config.ts'
import { startControl } from './control.ts'
import { lockDataFolder } from './data-folder.ts'
import { devicesFeature } from './devices/devices.ts'
import { edgeAccessRoutes, identifyEdge } from './devices/edge-access.ts'
import type { Dispatches } from './dispatch/dispatch.ts'
import { dispatchFeature } from './dispatch/dispatch-feature.ts'
import { noteMissedDeadlines } from './dispatch/missed-deadlines.ts'
import { HubError } from './errors.ts'
import type { EvidenceService } from './evidence/evidence.ts'
import { evidenceFeature } from './evidence/evidence-feature.ts'
import { exportsFeature } from './exports/exports-feature.ts'
import { needRoom } from './free-room.ts'
import { createHttpServer, serveDashboard } from './http.ts'
import type { Incidents } from './incidents/incidents.ts'
import { incidentsFeature } from './incidents/incidents-feature.ts'
import { ingestFeature } from './ingest/ingest.ts'
import { createMetrics, observe } from './metrics.ts'
import { passageRoutes } from './passages/passage-routes.ts'
import { plansFeature } from './plans/plans-feature.ts'
import { keyUse } from './plates/key-use.ts'
import { plateRoutes } from './plates/plate-routes.ts'
import { rotatePlates } from './plates/rotate.ts'
import type { Broker } from './ports/broker.ts'
import { passagePlaceOf } from './ports/passage-id.ts'
import { NO_WAKEUPS } from './ports/wakeups.ts'
import { pushFeature } from './push/push-feature.ts'
import { streamsFeature } from './streams/streams-feature.ts'
import { newHubId, Timers } from './timers/timers.ts'
import { WatchListService } from './watchlist/watchlist.ts'
import { watchListRoutes } from './watchlist/watchlist-routes.ts'

export interface Hub {
  httpPort: number
  mqttPort: number
  /** Of the administrator made by this start; `undefined` on every later one. */
  oneTimePassword: string | undefined
  close(): Promise<void>
}

export interface HubApp {
  app: FastifyInstance
  access: Access
  /** Opens the ports. */
  start(): Promise<Hub>
  /** Gives everything back in the reverse order of its taking; once. */
  close(): Promise<void>
}

const MEBIBYTE = 1024 * 1024
const HOUR_MS = 3_600_000
const SILENT_AFTER_START_MS = 120_000
/** As long as a batch that another hub has taken may be on its way into the store. */
const GAP_WAIT_MS = 2000

/** Opens the stores and puts the features together; nothing listens yet. */
export async function composeHub(config: HubConfig, log: Logger): Promise<HubApp> {
  const stack = new AsyncDisposableStack()
  try {
    return await compose(config, log, stack)
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

async function compose(config: HubConfig, log: Logger, stack: AsyncDisposableStack): Promise<HubApp> {
  const folder = stack.adopt(lockDataFolder(config.dataDir), (locked) => locked.release())
  const relational = stack.adopt(await openRelational(config, log), (store) => store.close())
  const timeseries = stack.adopt(await openTimeSeries(config, folder.path, log), (store) => store.close())
  const metrics = createMetrics()

  // The broker starts last, when everybody it delivers to is there.
  let broker: Broker | undefined
  const publish = async (topic: string, payload: string) => broker?.publish(topic, payload)

  const hubId = newHubId()
  // With a store of its own no other hub can be alive.
  const isOnlyHub = config.relational === 'sqlite'
  const changes = new ChangeLog()
  const wakeups = stack.adopt(
    config.redisUrl === undefined ? NO_WAKEUPS : await openRedisWakeups({ url: config.redisUrl, log }),
    (opened) => opened.close(),
  )
  const audit = auditFeature({ config, relational })
  const sealer = new Sealer({ config, relational, audit, log })
  const access = accessFeature({ config, relational, audit, log })
  const push = pushFeature({
    config,
    access,
    log,
    missed: (since, upTo) => changeFeed.missed(since, upTo),
  })
  // These three call each other; each reaches the others only after all are made.
  const incidents: Incidents = incidentsFeature({
    config,
    relational,
    audit,
    changes,
    evidenceOfAlerts: (db, alertIds) => evidence.ofAlerts(db, alertIds),
    dispatchesOf: (incidentId) => dispatches.ofIncident(incidentId),
    recallDispatches: (trx, recall) => dispatches.recall(trx, recall),
  })
  const evidence: EvidenceService = evidenceFeature({
    config,
    relational,
    audit,
    changes,
    log,
    snapshotStored: (trx, snapshot) => incidents.snapshotStored(trx, snapshot),
  })
  const dispatches: Dispatches = dispatchFeature({ relational, audit, changes, access, incidents, evidence })
  const streams = streamsFeature({
    config,
    hubId,
    relational,
    audit,
    changes,
    access,
    log,
    sendRelay: (edgeId, command) => publish(edgeTopics.relay(edgeId), JSON.stringify(command)),
    sendHistory: (edgeId, command) => publish(edgeTopics.history(edgeId), JSON.stringify(command)),
  })
  const exports = exportsFeature({
    config,
    hubId,
    relational,
    audit,
    access,
    history: streams.history,
    log,
  })
  const plans = plansFeature({ relational, audit, changes, access, streams, log })
  const credentials = edgeCredentials(config)
  const devices = devicesFeature({
    relational,
    changes,
    audit,
    log,
    credentials,
    offerSettings: (edgeId, version) => publish(edgeTopics.settings(edgeId), JSON.stringify({ version })),
  })
  const plateKeys = new PlateKeyRing(config.plateKeys)
  const readingLimit = new ReadingLimit({ audit, perHour: config.plateReadsPerHour })
  const watchList = new WatchListService({
    relational,
    audit,
    limit: readingLimit,
    sealing: new Sealing(config.secretsKey ?? secretsKeyOf(config.dataDir)),
    plateHashKey: config.plateHashKey,
    offer: (edgeId, sha256) => publish(edgeTopics.watchlist(edgeId), JSON.stringify({ sha256 })),
    log,
  })
  const clones = new Clones({ config, relational, log })
  const ingest = ingestFeature({
    relational,
    timeseries,
    metrics,
    log,
    maxWaitingBytes: config.ingestMaxWaitingMb * MEBIBYTE,
    publish,
    ownerOf: (deviceId) => devices.ownerOf(deviceId),
    registerDevices: (trx, edge, hello, atMs) => devices.register(trx, edge, hello, atMs),
    greeted: async (edgeId) => {
      await devices.greeted(edgeId)
      await watchList.greeted(edgeId)
      clones.placesChanged()
    },
    readsApart: config.broker !== 'mqtt',
    gapWaitMs: config.broker === 'mqtt' ? GAP_WAIT_MS : 0,
    changes,
    noteState: (edgeId, state, atMs) => devices.noteState(edgeId, state, atMs),
    noteHealth: (trx, edge, record) => devices.noteHealth(trx, edge, record),
    correlate: (trx, alerts) => incidents.correlate(trx, alerts),
    findClones: (trx, passages) => clones.find(trx, passages),
    recordEvidence: (trx, record, edge) => evidence.recordEvidence(trx, record, edge),
  })
  const changeFeed = changesFeature({
    relational,
    changes,
    wakeups,
    mayHaveOthers: !isOnlyHub,
    push,
    log,
    access,
    incidents,
    dispatches,
    evidence,
    devices,
    streams,
    plans,
  })
  const timers = new Timers({
    relational,
    hubId,
    log,
    onHubs: async (livingHubs) => {
      await streams.sweepViewings(livingHubs)
      await exports.sweep(livingHubs)
    },
  })
  timers.add({ name: 'changes', everyMs: HOUR_MS, run: (nowMs) => changeFeed.trim(nowMs) })
  timers.add({
    name: 'deadlines',
    everyMs: 1000,
    run: async (nowMs) => {
      const missed = await noteMissedDeadlines({ relational, audit, changes }, nowMs)
      metrics.deadlinesMissed.inc(missed)
    },
  })
  timers.add({ name: 'sightings', everyMs: 60_000, run: (nowMs) => clones.forget(nowMs) })
  timers.add({ name: 'seals', everyMs: 5000, run: () => sealer.sealIfDue() })
  timers.add({ name: 'plans', everyMs: 1000, run: (nowMs) => plans.tend(nowMs) })
  timers.add({
    name: 'evidence',
    everyMs: HOUR_MS,
    run: async (nowMs) => {
      const swept = await evidence.runRetention(nowMs)
      if (Object.values(swept).some((count) => count > 0)) log.info(swept, 'evidence has had its time')
    },
  })
  timers.add({
    name: 'evidence-files',
    everyMs: 6 * HOUR_MS,
    run: async (nowMs) => {
      const removed = await evidence.removeSpareFiles(nowMs)
      if (removed > 0) log.info({ removed }, 'evidence files that no row needs are removed')
    },
  })
  timers.add({
    name: 'exports',
    everyMs: 60_000,
    isOwn: true,
    run: async () => {
      const removed = await exports.removeEnded()
      if (removed > 0) log.info({ removed }, 'exports whose grant has ended are removed')
    },
  })
  const composedAtMs = Date.now()
  timers.add({
    name: 'silent edges',
    everyMs: 15_000,
    run: async (nowMs) => {
      // Whoever comes back after a stop first has to hear who is there.
      if (nowMs - composedAtMs < SILENT_AFTER_START_MS) return
      const silent = await devices.noteSilent(nowMs)
      if (silent.length > 0) log.warn({ silent }, 'edges have gone silent and count as offline')
    },
  })
  const upkeep = pointJobs({
    timeseries,
    keeping: config,
    isShared: config.timeseries === 'influxdb',
    keptPassages: (beforeMs) => incidents.keptPassages(beforeMs),
    log,
  })
  for (const job of upkeep) timers.add(job)
  const analytics = analyticsFeature({
    relational,
    timeseries,
    findDevice: (deviceId) => devices.find(deviceId),
  })

  observe(metrics, 'sockets', 'Screens connected now.', () => push.stats().connected)
  observe(
    metrics,
    'push_slow_cut',
    'Screens cut because they did not read.',
    () => push.stats().slowClientsCut,
  )
  observe(metrics, 'push_sent', 'Events sent, each counted once.', () => push.stats().sent)
  observe(metrics, 'push_refused', 'Screens refused: not signed in, foreign origin, too many.', () => {
    return push.stats().refused
  })
  observe(metrics, 'push_replayed', 'Events told to screens that came back.', () => push.stats().replayed)
  observe(
    metrics,
    'push_resets',
    'Screens that came back after too much had happened to be told.',
    () => push.stats().resets,
  )
  observe(metrics, 'changes_told', 'Revision up to which changes have been told.', () => {
    return changeFeed.stats().upTo
  })
  observe(metrics, 'changes_skipped', 'Changes left out because they cannot be told.', () => {
    return changeFeed.stats().skipped
  })
  observe(metrics, 'runs_timers', '1 if this hub runs the timers, else 0.', () => (timers.isLeader ? 1 : 0))
  observe(metrics, 'record_unsealed', 'Entries of the record after its newest seal.', () => sealer.unsealed())
  observe(
    metrics,
    'record_not_sealed',
    '1 if the record could not be sealed, else 0; the log says why.',
    () => {
      return sealer.problem === '' ? 0 : 1
    },
  )
  observe(metrics, 'viewings', 'Players open now.', () => streams.stats().viewings)
  observe(metrics, 'cameras_wanted', 'Cameras asked for now.', () => streams.stats().camerasWanted)
  observe(metrics, 'cameras_published', 'Cameras published now.', () => streams.stats().camerasPublished)
  observe(metrics, 'evidence_stored', 'Pieces of evidence stored.', () => evidence.stats().stored)
  observe(metrics, 'evidence_refused', 'Uploads of evidence refused.', () => evidence.stats().refused)
  observe(
    metrics,
    'evidence_damaged',
    'Times that evidence was found damaged.',
    () => evidence.stats().damaged,
  )
  observe(metrics, 'evidence_deleted', 'Pieces of evidence deleted because their time was over.', () => {
    return evidence.stats().deleted
  })
  observe(metrics, 'evidence_missing', 'Records of evidence whose bytes have not come in time.', () => {
    return evidence.countMissing()
  })
  observe(metrics, 'evidence_files_removed', 'Evidence files removed that no row needed.', () => {
    return evidence.stats().filesRemoved
  })

  const app = await createHttpServer(
    {
      config,
      metrics,
      log,
      checks: {
        relational: async () => {
          await sql`select 1`.execute(relational.read)
          if (config.relational === 'sqlite') await needRoom(config.dataDir)
        },
        timeseries: async () => {
          await timeseries.ping()
          if (config.timeseries === 'duckdb') await needRoom(config.dataDir)
        },
        broker: async () => {
          if (!broker) throw new Error('the broker does not listen')
          await broker.ping()
        },
      },
    },
    (instance) => access.guard(instance),
  )
  await app.register(access.routes)
  await app.register(audit.routes)
  await app.register(incidents.routes)
  await app.register(dispatches.routes)
  await app.register(evidence.routes)
  await app.register(streams.routes)
  await app.register(exports.routes)
  await app.register(plans.routes)
  await app.register(devices.routes)
  await app.register(watchListRoutes(watchList, readingLimit))
  await app.register(
    plateRoutes({
      relational,
      audit,
      ring: plateKeys,
      limit: readingLimit,
      findPassage: async (passageId) => {
        const place = passagePlaceOf(passageId)
        return place && timeseries.passage(place)
      },
      count: (outcome) => metrics.platesRead.inc({ outcome }),
    }),
  )
  const { plateHashKey } = config
  await app.register(passageRoutes({ relational, timeseries, audit, limit: readingLimit, plateHashKey }))
  await app.register(edgeAccessRoutes({ relational, audit, credentials }))
  await app.register(analytics.routes)
  await serveDashboard(app, config.dashboardDir, log)
  push.attach(app.server)
  await app.ready()

  async function start(): Promise<Hub> {
    await access.start()
    stack.defer(() => access.close())
    // After everybody who writes into the record has stopped.
    stack.defer(() => (timers.isLeader ? sealer.sealOrTell() : undefined))
    await evidence.start()
    if (isOnlyHub) await streams.sweepViewings([])
    if (isOnlyHub) await exports.sweep([])
    await exports.start()
    await streams.start()
    stack.defer(() => streams.close())
    stack.defer(() => exports.close())
    plans.start()
    stack.defer(() => plans.close())
    await devices.start({ isOnlyHub: config.broker === 'aedes' })
    await changeFeed.start()
    stack.defer(() => changeFeed.close())
    timers.start()
    stack.defer(() => timers.close())
    // Closed in reverse: first nobody comes in any more, then what is inside is finished, then the stores close.
    stack.defer(() => devices.close())
    stack.defer(() => ingest.close())
    broker = stack.adopt(
      await openBroker(config, {
        metrics,
        log,
        handlers: {
          authenticate: (edgeId, token) => devices.authenticate(edgeId, token),
          identify: (edgeId) => identifyEdge(relational, edgeId),
          message: (edge, topic, payload) => ingest.message(edge, topic, payload),
          connected: ({ edgeId }) => log.info({ edgeId }, 'edge connected'),
          disconnected: ({ edgeId }) => void devices.noteState(edgeId, 'offline', Date.now()),
        },
      }),
      (started) => started.close(),
    )
    stack.defer(() => app.close())
    stack.defer(() => push.close())
    await listen(app, config)
    const httpPort = (app.server.address() as AddressInfo).port
    // Last: a start that fails must not take the one-time password with it.
    const oneTimePassword = await access.ensureAdministrator()
    const control = stack.adopt(
      await startControl(
        {
          backup: ({ to }) => {
            if (typeof to !== 'string') throw new HubError('HUB_BACKUP', 'to: expected the path of a folder')
            return evidence.keepFilesDuring(() => writeBackup({ config, relational, timeseries }, to))
          },
          'plates-keys': () => keyUse(timeseries.plates, plateKeys),
          'plates-rotate': ({ isRehash }, task) =>
            rotatePlates(
              {
                plates: timeseries.plates,
                relational,
                audit,
                ring: plateKeys,
                plateHashKey: config.plateHashKey,
                rehashWatchList: (hashKey) => watchList.rehash(hashKey),
              },
              { isRehash: isRehash === true, ...task },
            ),
        },
        log,
      ),
      (started) => started.close(),
    )
    folder.announce({
      httpPort,
      mqttPort: broker.port,
      control: { port: control.port, token: control.token },
    })
    return { httpPort, mqttPort: broker.port, oneTimePassword, close: () => stack.disposeAsync() }
  }

  return { app, access, start, close: () => stack.disposeAsync() }
}

async function listen(app: FastifyInstance, config: HubConfig): Promise<void> {
  const { httpHost: host, httpPort: port } = config
  try {
    await app.listen({ host, port })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error
    const why = code === 'EADDRINUSE' ? 'is taken' : 'may not be used'
    throw new HubError('HUB_PORT', `HTTP port ${port} on ${host} ${why}; move it with PATROLHUB_HTTP_PORT`, {
      cause: error,
    })
  }
}

/** Composes and starts a hub. Throws a HubError that says what to do if it cannot. */
export async function startHub(config: HubConfig, log: Logger): Promise<Hub> {
  const hub = await composeHub(config, log)
  try {
    return await hub.start()
  } catch (error) {
    await hub.close()
    throw error
  }
}
