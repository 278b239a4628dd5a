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
  isConnected(edgeId: string): boolean
  /** Sends to whoever subscribes (QoS 1). An edge that is away gets nothing: whatever matters is said again. */
  publish(topic: string, payload: string): Promise<void>
  /** Ends every connection and stops listening. */
  close(): Promise<void>
}
