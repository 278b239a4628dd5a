/** What the hub counts, for Prometheus (GET /metrics). One registry a hub, so that tests can run several. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name: `patrolhub_${name}`, help, labelNames: [...labelNames], registers: [registry] })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name: `patrolhub_${name}`, help, labelNames: [...labelNames], registers: [registry] })
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Histogram<L>({
      name: `patrolhub_${name}`,
      help,
      labelNames: [...labelNames],
      buckets: SECONDS,
      registers: [registry],
    })
  return {
    registry,
    recordsCommitted: counter('ingest_records_total', 'Records committed.', ['stream', 'kind']),
    recordsSetAside: counter('ingest_set_aside_total', 'Records set aside, by why.', ['stream', 'reason']),
    recordsRepeated: counter('ingest_repeated_total', 'Records dropped because they were known.', ['stream']),
    recordsLost: counter('ingest_lost_total', 'Records that edges declared as lost.', ['stream']),
    batchesRefused: counter(
      'ingest_batches_refused_total',
      'Batches answered with gap or epoch, or beyond the share of an edge.',
      ['stream', 'reason'],
    ),
    batchesGivenUp: counter(
      'ingest_batches_given_up_total',
      'Batches that could not be stored for a fault of the hub; the edge sends them again.',
      ['stream'],
    ),
    messagesRefused: counter('messages_refused_total', 'MQTT messages that made no sense, by why.', [
      'reason',
    ]),
    deadlinesMissed: counter(
      'deadlines_missed_total',
      'Deadlines of dispatches that passed, noted by this hub.',
    ),
    platesRead: counter('plates_read_total', 'Plates that somebody asked to read in clear, by outcome.', [
      'outcome',
    ]),
    newEpochs: counter('ingest_new_epochs_total', 'Hellos with a journal that the hub did not know.'),
    pointsAppended: counter('points_total', 'Points handed to the time-series store.', ['measurement']),
    pointsRefused: counter('points_refused_total', 'Points that the time-series store will never take.'),
    ingestSeconds: histogram(
      'ingest_seconds',
      'From the arrival of a batch to its commit, waiting included.',
      ['stream'],
    ),
    ingestWaitingBytes: gauge('ingest_waiting_bytes', 'Batches that wait to be stored.'),
    ingestPauses: counter('ingest_pauses_total', 'Times that reading from an edge was stopped.'),
    mqttConnections: gauge('mqtt_connections', 'Edges connected now.'),
    mqttDenied: counter('mqtt_denied_total', 'Connects, publishes and subscriptions denied.', ['action']),
    mqttClosed: counter('mqtt_closed_total', 'MQTT connections closed by the hub, by why.', ['reason']),
    httpSeconds: histogram('http_seconds', 'Duration of HTTP requests.', ['method', 'route', 'status']),
  }
}
export type Metrics = ReturnType<typeof createMetrics>

/** A gauge whose value is asked for when Prometheus asks. */
export function observe(
  metrics: Metrics,
  name: string,
  help: string,
  read: () => number | Promise<number>,
): void {
  new Gauge({
    name: `patrolhub_${name}`,
    help,
    registers: [metrics.registry],
    async collect() {
      this.set(await read())
    },
  })
}
