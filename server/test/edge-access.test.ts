/** Credentials of edges from the first token to the last, on the embedded broker and on Mosquitto. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findMosquitto, type Mosquitto, startMosquitto } from '../../test/support/mosquitto.ts'
import { type DashboardSession, signIn } from './support/dashboard-session.ts'
import { EdgeClient, REGION } from './support/edge-client.ts'
import { runMain, startTestHub, type TestHub, testEnv } from './support/hub.ts'

const program = findMosquitto()

async function tokenOf(admin: DashboardSession, edgeId: string): Promise<string> {
  const { status, json } = await admin.ask('POST', '/api/edges', { edgeId, name: edgeId, region: REGION })
  expect(status).toBe(201)
  return (json as { token: string }).token
}

// Without Mosquitto its own tests say loudly that it is missing.
describe.each(program ? ['aedes', 'mqtt'] : ['aedes'])(
  'the credential of an edge with the broker %s',
  (kind) => {
    let mosquitto: Mosquitto | undefined
    let hub: TestHub
    let admin: DashboardSession
    let env: Record<string, string> = {}

    const connect = (edgeId: string, token: string) =>
      EdgeClient.connect({ port: hub.mqttPort, edgeId, token, mqtt: { clientId: edgeId } })
    /** As an edge asks the hub over HTTP. */
    const upload = async (edgeId: string, token: string) =>
      (
        await fetch(`${hub.url}/media/publish/nothing`, {
          method: 'POST',
          headers: { authorization: `Basic ${Buffer.from(`${edgeId}:${token}`).toString('base64')}` },
        })
      ).status

    beforeAll(async () => {
      if (kind === 'mqtt') {
        mosquitto = await startMosquitto(program!)
        env = {
          PATROLHUB_BROKER: 'mqtt',
          PATROLHUB_MQTT_URL: mosquitto.url,
          PATROLHUB_MQTT_PASSWORD: mosquitto.password,
        }
      }
      hub = await startTestHub(env)
      admin = await signIn(hub.url, 'admin', hub.oneTimePassword)
    })
    afterAll(async () => {
      await hub?.close()
      await mosquitto?.close()
    })

    it('lets the edge in as soon as it is made, and a renewed one ends the one before', async () => {
      const first = await tokenOf(admin, 'edge-01')
      const edge = await connect('edge-01', first)
      await edge.hello()
      expect(await upload('edge-01', first)).toBe(404)
      await edge.close()
      const renewed = await admin.ask('POST', '/api/edges/edge-01/token')
      expect(renewed.status).toBe(200)
      const { token } = renewed.json as { token: string }
      await expect(connect('edge-01', first)).rejects.toThrow()
      expect(await upload('edge-01', first)).toBe(401)
      const again = await connect('edge-01', token)
      await again.hello()
      await again.close()
    })

    it('is void once it is revoked: the open connection ends and no new one is made', async () => {
      const token = await tokenOf(admin, 'edge-02')
      const edge = await connect('edge-02', token)
      await edge.hello()
      const closed = new Promise<void>((resolve) => edge.mqtt.once('close', () => resolve()))
      expect((await admin.ask('DELETE', '/api/edges/edge-02/token')).status).toBe(204)
      // The embedded broker looks again at the next message after a few seconds.
      const talk = setInterval(
        () => edge.mqtt.publish('patrolhub/v1/edges/edge-02/up/hello', '{}', { qos: 1 }),
        200,
      )
      await closed
      clearInterval(talk)
      await expect(connect('edge-02', token)).rejects.toThrow()
      expect(await upload('edge-02', token)).toBe(401)
      const { json } = await admin.ask('GET', '/api/audit?limit=5')
      expect(JSON.stringify(json)).toContain('edge.revoked')
      expect(JSON.stringify(json)).not.toContain(token)
      expect((await admin.ask('DELETE', '/api/edges/edge-99/token')).status).toBe(404)
    })

    it('is made, renewed and revoked by commands beside the running hub', async () => {
      const settings = testEnv(hub.dataDir, env)
      const added = await runMain(['edge', 'add', 'edge-03', '--name', 'N', '--region', REGION], settings)
      const [, first] = /token: (\S+)/.exec(added.stdout)!
      await (await connect('edge-03', first!)).close()
      const renewed = await runMain(['edge', 'renew', 'edge-03'], settings)
      const [, second] = /token: (\S+)/.exec(renewed.stdout)!
      await expect(connect('edge-03', first!)).rejects.toThrow()
      await (await connect('edge-03', second!)).close()
      expect((await runMain(['edge', 'revoke', 'edge-03'], settings)).code).toBe(0)
      await expect(connect('edge-03', second!)).rejects.toThrow()
      expect((await runMain(['edge', 'revoke', 'edge-99'], settings)).stderr).toContain('HUB_NOT_FOUND')
    })

    it.runIf(kind === 'mqtt')(
      'is not made while the broker is away, and can be made afterwards',
      async () => {
        await mosquitto!.kill()
        const wish = { edgeId: 'edge-04', name: 'N', region: REGION }
        const refused = await admin.ask('POST', '/api/edges', wish)
        expect(refused.status).toBe(502)
        expect(refused.json).toMatchObject({ code: 'HUB_BROKER' })
        await mosquitto!.start()
        await (await connect('edge-04', await tokenOf(admin, 'edge-04'))).close()
      },
    )
  },
)
