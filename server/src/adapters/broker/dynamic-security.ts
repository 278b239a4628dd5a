/**
 * Users and their topics in Mosquitto, made through its dynamic-security plugin: JSON commands on a topic of the
 * broker's own. So a new edge can connect as soon as it is created, and nobody edits files on the broker's machine.
 *
 * One role an edge, since the plugin of Mosquitto 2.0 knows no patterns. The user is bound to its client id: otherwise
 * an edge could take the client id of another one, or of a hub, and throw it out (MQTT 5, section 3.1.4).
 */
import { randomUUID } from 'node:crypto'
import { edgeTopics, STREAMS } from '@patrolhub/protocol'
import { connectAsync, type MqttClient } from 'mqtt'
import { HubError } from '../../errors.ts'
import type { EdgeCredentials } from '../../ports/broker.ts'
import type { MqttServer } from './mqtt-connection.ts'

const COMMANDS = '$CONTROL/dynamic-security/v1'
const RESPONSES = `${COMMANDS}/response`
const ANSWER_MS = 10_000

interface Command {
  command: string
  [field: string]: unknown
}
interface Answer {
  command: string
  error?: string
  correlationData?: string
}

const roleOf = (edgeId: string) => `edge-${edgeId}`
const allow = (acltype: string, topic: string) => ({ acltype, topic, allow: true })

/** What an edge may do at the broker: the counterpart of `edgeMayPublish` and `edgeMaySubscribe`. */
function edgeRole(edgeId: string) {
  const down = edgeTopics.cursor(edgeId).replace(/[^/]+$/, '#')
  const up = [
    edgeTopics.hello(edgeId),
    ...STREAMS.map((stream) => edgeTopics.batch(edgeId, stream)),
    edgeTopics.status(edgeId),
  ]
  return [
    ...up.map((topic) => allow('publishClientSend', topic)),
    allow('subscribePattern', down),
    allow('publishClientReceive', down),
  ]
}

class DynamicSecurity implements EdgeCredentials {
  readonly #server: MqttServer

  constructor(server: MqttServer) {
    this.#server = server
  }

  async admit(edgeId: string, token: string): Promise<void> {
    const rolename = roleOf(edgeId)
    // From whatever is there to what shall be: an attempt before may have come half the way.
    await this.#send([
      ...removal(edgeId),
      { command: 'createRole', rolename, acls: edgeRole(edgeId) },
      {
        command: 'createClient',
        username: edgeId,
        clientid: edgeId,
        password: token,
        roles: [{ rolename }],
      },
    ])
  }

  async dismiss(edgeId: string): Promise<void> {
    await this.#send(removal(edgeId))
  }

  /** One after another, each answered. Throws HUB_BROKER for what was refused, except that nothing was there. */
  async #send(commands: readonly Command[]): Promise<void> {
    const client = await this.#connect()
    try {
      for (const command of commands) {
        const { error } = await ask(client, command)
        if (error !== undefined && !/not found/i.test(error)) {
          throw new HubError('HUB_BROKER', `the MQTT broker refused ${command.command}: ${error}`)
        }
      }
    } finally {
      await client.endAsync(true)
    }
  }

  async #connect(): Promise<MqttClient> {
    const { url, username, password, ca } = this.#server
    try {
      const client = await connectAsync(url, {
        clientId: `hub-${randomUUID()}-admin`,
        username,
        password,
        protocolVersion: 5,
        reconnectPeriod: 0,
        connectTimeout: ANSWER_MS,
        ...(ca === undefined ? {} : { ca }),
      })
      client.on('error', () => undefined)
      await client.subscribeAsync(RESPONSES, { qos: 1 }).catch(async (error: unknown) => {
        await client.endAsync(true)
        throw error
      })
      return client
    } catch (error) {
      throw new HubError(
        'HUB_BROKER',
        `the MQTT broker at ${url} does not let the hub make users: ${(error as Error).message}`,
        { cause: error },
      )
    }
  }
}

/** `disableClient` first: it is what ends the connection. */
function removal(edgeId: string): Command[] {
  return [
    { command: 'disableClient', username: edgeId },
    { command: 'deleteClient', username: edgeId },
    { command: 'deleteRole', rolename: roleOf(edgeId) },
  ]
}

async function ask(client: MqttClient, command: Command): Promise<Answer> {
  const correlationData = randomUUID()
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const fail = (why: string) =>
    reject(new HubError('HUB_BROKER', `the MQTT broker did not answer ${command.command}: ${why}`))
  const onMessage = (_topic: string, payload: Uint8Array) => {
    const { responses } = JSON.parse(Buffer.from(payload).toString()) as { responses: Answer[] }
    // Several hubs hear each other's answers.
    const answer = responses.find((one) => one.correlationData === correlationData)
    if (answer) resolve(answer)
  }
  const onClose = () => fail('the connection is lost')
  const timer = setTimeout(() => fail(`nothing within ${ANSWER_MS / 1000} s; has it the plugin?`), ANSWER_MS)
  client.on('message', onMessage)
  client.once('close', onClose)
  try {
    client.publish(COMMANDS, JSON.stringify({ commands: [{ ...command, correlationData }] }), { qos: 1 })
    return await promise
  } finally {
    clearTimeout(timer)
    client.off('message', onMessage)
    client.off('close', onClose)
  }
}

export function dynamicSecurity(server: MqttServer): EdgeCredentials {
  return new DynamicSecurity(server)
}
