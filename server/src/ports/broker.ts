/** The MQTT broker as the hub sees it: messages of edges come in, commands and cursors go out. */

/** An edge that has proved who it is. */
export interface EdgeIdentity {
  edgeId: string
  /** Division code that the edge is bound to: nothing it says may lie outside. */
  region: string
}

export interface BrokerHandlers {
  /** `undefined` if the edge is unknown or the token is wrong. */
  authenticate(edgeId: string, token: string): Promise<EdgeIdentity | undefined>
  /** An edge whose credential a broker of its own has checked; `undefined` if it is unknown or was revoked. */
  identify(edgeId: string): Promise<EdgeIdentity | undefined>
  /**
   * A message on a topic of the edge's own (protocol/topics.ts). Called in the order of arrival; the broker reads no
   * further from this edge until it resolves. Never rejects.
   */
  message(edge: EdgeIdentity, topic: string, payload: Uint8Array): Promise<void>
  connected(edge: EdgeIdentity): void
  disconnected(edge: EdgeIdentity): void
}

export interface Broker {
  /** Port that edges connect to. */
  readonly port: number
  /** Throws what is wrong if no edge can reach this hub now. */
  ping(): Promise<void>
  /** Sends to whoever subscribes (QoS 1). An edge that is away gets nothing: whatever matters is said again. */
  publish(topic: string, payload: string): Promise<void>
  /** Ends every connection and stops listening. */
  close(): Promise<void>
}

/** Who may connect to the broker, where the broker itself keeps it. */
export interface EdgeCredentials {
  /**
   * Lets the edge connect with this token, to its own topics only, and with no older token; repeats are harmless.
   * Throws HUB_BROKER if the broker does not do it.
   */
  admit(edgeId: string, token: string): Promise<void>
  /** Ends the edge's connection and lets it in no more; as `admit` for one that is not there. */
  dismiss(edgeId: string): Promise<void>
}
