/** A hub whose points live in InfluxDB, from MQTT to the answer over HTTP. */
import type { Overview, PassageList } from '@patrolhub/protocol'
import { expect, it } from 'vitest'
import { signIn } from './support/dashboard-session.ts'
import { EdgeClient, passage, REGION } from './support/edge-client.ts'
import { startTestHub } from './support/hub.ts'
import { findInfluxd, startInfluxd } from './support/influxd.ts'

const program = findInfluxd()

it.runIf(program)(
  'a hub keeps its points in InfluxDB, each once, and is not ready while InfluxDB is away',
  async () => {
    const influxd = await startInfluxd(program!)
    const hub = await startTestHub({
      PATROLHUB_TIMESERIES: 'influxdb',
      PATROLHUB_INFLUX_URL: influxd.url,
      PATROLHUB_INFLUX_TOKEN: 'user:password',
      PATROLHUB_INFLUX_BUCKET: influxd.database,
    })
    try {
      const token = await hub.addEdge('edge-01', REGION)
      const edge = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-01', token })
      await edge.hello({ checkpoints: [{ checkpointId: 'cp-01', name: 'Road', region: REGION, lanes: 2 }] })
      await edge.send('measurements', 1, [passage(1), passage(2)])
      await edge.send('measurements', 2, [passage(2), passage(3)])
      await edge.cursor(({ upTo }) => upTo === 3)
      const admin = await signIn(hub.url, 'admin', hub.oneTimePassword)
      const { items } = (await admin.ask('GET', '/api/checkpoints/cp-01/passages')).json as PassageList
      expect(items.map(({ atMs }) => atMs - items[2]!.atMs)).toEqual([2, 1, 0])
      expect((await admin.ask('GET', '/api/overview')).json as Overview).toMatchObject({ passagesTotal: 3 })
      expect((await fetch(`${hub.url}/readyz`)).status).toBe(200)
      await influxd.close()
      const ready = await fetch(`${hub.url}/readyz`)
      expect(ready.status).toBe(503)
      expect(await ready.json()).toMatchObject({
        ready: false,
        checks: { timeseries: 'failing', broker: 'ok' },
      })
      await edge.close()
    } finally {
      await hub.close()
      await influxd.close()
    }
  },
)
