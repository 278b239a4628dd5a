/** Bounds in memory and time of the gate. Tests tighten them; nothing in the field has needed to. */

import { MAX_FLV_TAG_BYTES } from '@patrolhub/protocol/flv'

export interface StreamLimits {
  /** Players open at once in the whole hub, and of one user. More are refused. */
  maxPlayers: number
  maxPlayersPerUser: number
  /** Unsent bytes a player may have waiting; with more it is moved to the next key frame. */
  maxWaitingBytes: number
  /** A player that could not be given a key frame for this long is cut. */
  slowPlayerMs: number
  /** Bytes of one FLV tag, that is of one picture. A publisher that sends more is refused. */
  maxTagBytes: number
  /** Bytes of the group of pictures kept for the next player; a longer group makes it wait for a key frame. */
  maxCacheBytes: number
  /** How long a player waits for its first picture. */
  startMs: number
  /** How long a player keeps its connection while the publisher is away. */
  lostMs: number
  /** A publisher that sends nothing for this long is cut, so that its edge connects anew. */
  silentPublisherMs: number
  /** A second publisher of the same edge takes over from one that was silent for this long, else it is refused. */
  takeOverMs: number
  /** How long a camera stays published after its last player left. */
  lingerMs: number
  /** How far ahead an edge is told to publish, and how often that is renewed. Wide, so that a lost command does not matter. */
  relayAheadMs: number
  relayRenewMs: number
  /** How often an edge is told while it does not publish. */
  relayRepeatMs: number
  /** How often open grants, sessions and players are looked at. What the hub itself ends is cut at once. */
  watchMs: number
}

const MEBIBYTE = 1024 * 1024

export const STREAM_LIMITS: StreamLimits = {
  maxPlayers: 256,
  maxPlayersPerUser: 32,
  maxWaitingBytes: MEBIBYTE,
  slowPlayerMs: 8000,
  maxTagBytes: MAX_FLV_TAG_BYTES,
  maxCacheBytes: 8 * MEBIBYTE,
  startMs: 12_000,
  lostMs: 30_000,
  silentPublisherMs: 15_000,
  takeOverMs: 2000,
  lingerMs: 5000,
  relayAheadMs: 60_000,
  relayRenewMs: 15_000,
  relayRepeatMs: 2000,
  watchMs: 500,
}
