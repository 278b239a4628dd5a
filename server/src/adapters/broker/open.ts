/** Which broker the hub has, by its configuration. */
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import type { HubConfig } from '../../config.ts'
import { readTls } from '../../http.ts'
import type { Metrics } from '../../metrics.ts'
import type { Broker, BrokerHandlers, EdgeCredentials } from '../../ports/broker.ts'
import { startAedes } from './aedes.ts'
import { dynamicSecurity } from './dynamic-security.ts'
import { startMqttBroker } from './mqtt.ts'
import type { MqttServer } from './mqtt-connection.ts'

export interface BrokerDeps {
  handlers: BrokerHandlers
  metrics: Metrics
  log: Logger
}

/** Listens, or begins to connect. Throws HUB_PORT if the port is taken. */
export async function openBroker(config: HubConfig, deps: BrokerDeps): Promise<Broker> {
  switch (config.broker) {
    case 'aedes':
      return startAedes({
        ...deps,
        host: config.mqttHost,
        port: config.mqttPort,
        maxConnections: config.mqttMaxConnections,
        tls: readTls(config),
      })
    case 'mqtt':
      return startMqttBroker({ ...deps, server: serverOf(config) })
  }
}

/** `undefined` if the broker keeps no users, or somebody else makes them. */
export function edgeCredentials(config: HubConfig): EdgeCredentials | undefined {
  if (config.broker !== 'mqtt' || config.mqttCredentials === 'manual') return undefined
  return dynamicSecurity(serverOf(config))
}

function serverOf({ mqttUrl, mqttUsername, mqttPassword, mqttCaFile }: HubConfig): MqttServer {
  return {
    url: mqttUrl!,
    username: mqttUsername,
    password: mqttPassword!,
    ca: mqttCaFile === undefined ? undefined : readFileSync(mqttCaFile, 'utf8'),
  }
}
