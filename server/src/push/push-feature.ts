/**
 * socket.io on the hub's HTTP server. A client is who its session cookie says; it joins rooms once, at the handshake:
 * one a kind of event that its role may watch, of its own scope; those of its teams; its user's. It says nothing: what
 * it sends is ignored. A client that does not read is cut when the hub holds too much for it, at once or for too long; it
 * comes back by itself, and whoever comes back is told what it missed before it is told what is new.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type ClientToHub, type HubToClient, PushHandshake, parser } from '@patrolhub/protocol'
import { type DefaultEventsMap, Server, type Socket } from 'socket.io'
import type { SessionEnd, SignedIn } from '../access/access.ts'
import { isSameOrigin } from '../access/origin.ts'
import type { HubErrorCode } from '../errors.ts'
import { bufferedBytes, cutTransport } from './outgoing.ts'
import { packetsFor } from './packets.ts'
import type { PushDeps, PushSockets, PushStats } from './push-sockets.ts'
import { roomOfSession, roomOfUser, roomsOfPrincipal } from './rooms.ts'

/** More than this waiting for one socket, in bytes, and it is cut. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024
/** More than this waiting for longer than that, and it is cut: what an edge had kept while it was away comes at once. */
const MAX_BEHIND_BYTES = 1024 * 1024
const MAX_BEHIND_MS = 2000
/** Buffers are looked at this long after something was sent: once for all that was sent meanwhile. */
const LOOK_AFTER_MS = 20
/** Sockets of one user, over all their sessions; more are refused. */
const MAX_SOCKETS_PER_USER = 40
/** A client that was told that its session has ended has this long to take it in. */
const FAREWELL_MS = 2000
/** A client may know more than this hub for this long, when it comes from another hub. */
const AHEAD_MS = 3000
const AHEAD_LOOK_MS = 20

interface SocketData {
  signedIn: SignedIn
  expiry: NodeJS.Timeout
  /** It has been told everything up to what all are told; until then it is told what it missed, and nothing else. */
  isLive?: boolean
  /** Since when more than MAX_BEHIND_BYTES wait for it; monotonic. */
  behindSinceMs?: number | undefined
}
type HubSocket = Socket<ClientToHub, HubToClient, DefaultEventsMap, SocketData>
type HubServer = Server<ClientToHub, HubToClient, DefaultEventsMap, SocketData>

const parseHandshake = parser(PushHandshake)

export function pushFeature(deps: PushDeps): PushSockets {
  const log = deps.log.child({ component: 'push' })
  const stats: PushStats = { connected: 0, sent: 0, slowClientsCut: 0, refused: 0, replayed: 0, resets: 0 }
  const io: HubServer = new Server({
    path: '/socket.io',
    serveClient: false,
    // Longer than the gate lets a player wait for its first picture: until then nothing has been sent to it.
    destroyUpgradeTimeout: 60_000,
    // Clients have nothing to say; this is room for the handshake and the pings.
    maxHttpBufferSize: 16 * 1024,
    allowRequest(request, decide) {
      const isAllowed = isSameOrigin(request.headers, deps.config.trustProxy)
      if (!isAllowed) stats.refused++
      decide(isAllowed ? null : 'foreign origin', isAllowed)
    },
  })

  io.use((socket, next) => {
    signIn(socket).then(
      (refusal) => {
        if (refusal) stats.refused++
        next(refusal && new Error(refusal))
      },
      (error) => {
        log.error({ err: error }, 'a socket could not be signed in')
        next(new Error('HUB_INTERNAL'))
      },
    )
  })

  /** Answers why the socket is not taken, if it is not. */
  async function signIn(socket: HubSocket): Promise<HubErrorCode | undefined> {
    const signedIn = await deps.access.authenticate(socket.request.headers.cookie)
    if (!isReady(signedIn)) return 'HUB_NOT_SIGNED_IN'
    const others = io.of('/').adapter.rooms.get(roomOfUser(signedIn.principal.userId))
    if (others && others.size >= MAX_SOCKETS_PER_USER) return 'HUB_TOO_MANY_REQUESTS'
    socket.data.signedIn = signedIn
    return undefined
  }

  io.on('connection', (socket) => {
    const { principal, expiresAtMs } = socket.data.signedIn
    stats.connected++
    socket.join(roomsOfPrincipal(principal))
    // setTimeout holds at most 2^31 - 1 ms; a session is shorter than that.
    socket.data.expiry = setTimeout(() => farewell(socket, 'expired'), expiresAtMs - Date.now())
    catchUp(socket).catch((error) => {
      log.error({ err: error }, 'a socket could not be told what it missed')
      cutTransport(socket.conn)
    })
    socket.on('disconnect', () => {
      stats.connected--
      clearTimeout(socket.data.expiry)
    })
    // The session may have ended, or its teams changed, between the handshake and the moment the rooms were joined.
    deps.access.authenticate(socket.request.headers.cookie).then(
      (now) => {
        if (!now) farewell(socket, 'signed out')
        else if (!hasSameRooms(now, socket.data.signedIn)) cutTransport(socket.conn)
      },
      (error) => {
        log.error({ err: error }, 'a socket could not be checked again')
        cutTransport(socket.conn)
      },
    )
  })

  /** Everything up to this revision has been sent to those who are live. */
  let sentRevision = 0

  /**
   * Tells what was committed after the revision that the client knows, as far as it concerns it, until it is level with
   * the others; what they are told meanwhile it is told here. Nothing is told twice.
   */
  async function catchUp(socket: HubSocket): Promise<void> {
    const handshake = parseHandshake(socket.handshake.auth)
    const since = handshake.ok ? handshake.value.since : undefined
    if (since === undefined) {
      // It fetches its lists after this: they hold at least what this revision stands for.
      socket.emit('changes', { revision: sentRevision, events: [] })
      socket.data.isLive = true
      return
    }
    let upTo = since
    // Another hub may have told it more than this one has read yet.
    const patienceEndsMs = performance.now() + AHEAD_MS
    while (upTo > sentRevision && performance.now() < patienceEndsMs) await delay(AHEAD_LOOK_MS)
    let isReset = upTo > sentRevision
    while (!isReset && upTo < sentRevision) {
      const toRevision = sentRevision
      const missed = await deps.missed(upTo, toRevision)
      if (!socket.connected) return
      if (missed) {
        const [packet] = packetsFor(missed, [socket], toRevision)
        if (packet) socket.emit('changes', packet.changes)
        stats.replayed += packet?.changes.events.length ?? 0
        upTo = toRevision
      } else isReset = true
    }
    if (isReset) stats.resets++
    socket.emit('changes', { revision: sentRevision, events: [], ...(isReset ? { isReset } : {}) })
    socket.data.isLive = true
  }

  function farewell(socket: HubSocket, reason: SessionEnd): void {
    for (const room of [...socket.rooms]) socket.leave(room)
    socket.emit('signedOut', reason)
    socket.disconnect(true)
    const { conn } = socket
    setTimeout(() => cutTransport(conn), FAREWELL_MS).unref()
  }

  function socketsIn(rooms: readonly string[]): HubSocket[] {
    const ids = new Set(rooms.flatMap((room) => [...(io.of('/').adapter.rooms.get(room) ?? [])]))
    return [...ids].flatMap((id) => io.of('/').sockets.get(id) ?? [])
  }

  function endSessions(sessionHashes: readonly string[], reason: string): void {
    for (const socket of socketsIn(sessionHashes.map(roomOfSession))) {
      // The same person goes on with a new cookie: the client connects again by itself.
      if (reason === ('renewed' satisfies SessionEnd)) cutTransport(socket.conn)
      else farewell(socket, reason as SessionEnd)
    }
  }

  let look: NodeJS.Timeout | undefined
  function cutSlowClients(): void {
    look = undefined
    const nowMs = performance.now()
    for (const socket of io.of('/').sockets.values()) {
      const waitingBytes = bufferedBytes(socket.conn)
      if (waitingBytes <= MAX_BEHIND_BYTES) {
        socket.data.behindSinceMs = undefined
        continue
      }
      socket.data.behindSinceMs ??= nowMs
      if (waitingBytes <= MAX_WAITING_BYTES && nowMs - socket.data.behindSinceMs < MAX_BEHIND_MS) {
        look ??= setTimeout(cutSlowClients, LOOK_AFTER_MS)
        continue
      }
      stats.slowClientsCut++
      const { username } = socket.data.signedIn.principal
      log.warn({ username, waitingBytes }, 'a client that does not read was cut')
      cutTransport(socket.conn)
    }
  }

  function refreshUsers(userIds: readonly string[]): void {
    for (const socket of socketsIn(userIds.map(roomOfUser))) cutTransport(socket.conn)
  }

  const stopListening = [deps.access.onSessionsEnded(endSessions), deps.access.onUsersChanged(refreshUsers)]
  let closing: Promise<void> | undefined

  return {
    attach: (server) => {
      io.attach(server)
    },
    send(messages, revision) {
      sentRevision = Math.max(sentRevision, revision)
      if (messages.length === 0) return
      stats.sent += messages.length
      const live = [...io.of('/').sockets.values()].filter((socket) => socket.data.isLive)
      for (const { socketIds, changes } of packetsFor(messages, live, sentRevision)) {
        io.to(socketIds).emit('changes', changes)
      }
      look ??= setTimeout(cutSlowClients, LOOK_AFTER_MS)
    },
    endSessions,
    refreshUsers,
    stats: () => ({ ...stats }),
    close() {
      closing ??= (async () => {
        for (const stop of stopListening) stop()
        clearTimeout(look)
        for (const socket of io.of('/').sockets.values()) clearTimeout(socket.data.expiry)
        // `app.ts` closes the HTTP server; this ends the sockets so that it can.
        io.disconnectSockets(true)
        for (const socket of io.of('/').sockets.values()) cutTransport(socket.conn)
        io.engine?.close()
      })()
      return closing
    },
  }
}

/** Neither a one-time password nor a missing second factor stands before everything else. */
function isReady(signedIn: SignedIn | undefined): signedIn is SignedIn {
  const { mustChangePassword = true, mustEnrolSecondFactor = true } = signedIn?.principal ?? {}
  return !mustChangePassword && !mustEnrolSecondFactor
}

function hasSameRooms(a: SignedIn, b: SignedIn): boolean {
  return roomsOfPrincipal(a.principal).sort().join() === roomsOfPrincipal(b.principal).sort().join()
}
