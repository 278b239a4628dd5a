/**
 * socket.io on the hub's HTTP server. A client is who its session cookie says; it joins rooms once, at the handshake:
 * one a kind of event that its role may watch, of its own scope; those of its teams; its user's. It says nothing: what
 * it sends is ignored. A client that does not read is cut when the hub holds too much for it, at once or for too long; it
 * comes back by itself and fetches the lists again.
 */
import type { ClientToHub, HubToClient } from '@patrolhub/protocol'
import { type DefaultEventsMap, Server, type Socket } from 'socket.io'
import type { SessionEnd, SignedIn } from '../access/access.ts'
import type { HubErrorCode } from '../errors.ts'
import { isSameOrigin } from './origin.ts'
import { bufferedBytes, cutTransport } from './outgoing.ts'
import type { PushEvent, PushTarget } from './push.ts'
import type { PushDeps, PushSockets, PushStats } from './push-sockets.ts'
import { roomOfSession, roomOfUser, roomsOfPrincipal, roomsOfTarget } from './rooms.ts'

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

interface SocketData {
  signedIn: SignedIn
  expiry: NodeJS.Timeout
  /** Since when more than MAX_BEHIND_BYTES wait for it; monotonic. */
  behindSinceMs?: number | undefined
}
type HubSocket = Socket<ClientToHub, HubToClient, DefaultEventsMap, SocketData>
type HubServer = Server<ClientToHub, HubToClient, DefaultEventsMap, SocketData>

export function pushFeature(deps: PushDeps): PushSockets {
  const log = deps.log.child({ component: 'push' })
  const stats: PushStats = { connected: 0, sent: 0, slowClientsCut: 0, refused: 0 }
  const io: HubServer = new Server({
    path: '/socket.io',
    serveClient: false,
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
    if (!signedIn || signedIn.principal.mustChangePassword) return 'HUB_NOT_SIGNED_IN'
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

  const stopListening = [
    deps.access.onSessionsEnded(endSessions),
    deps.access.onUsersChanged((userIds) => {
      for (const socket of socketsIn(userIds.map(roomOfUser))) cutTransport(socket.conn)
    }),
  ]
  let closing: Promise<void> | undefined

  return {
    attach: (server) => {
      io.attach(server)
    },
    send(target: PushTarget, message: PushEvent) {
      const rooms = roomsOfTarget(target, message.event)
      if (rooms.length === 0) return
      stats.sent++
      io.to(rooms).emit(message.event, ...([message.payload] as never))
      look ??= setTimeout(cutSlowClients, LOOK_AFTER_MS)
    },
    endSessions,
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

function hasSameRooms(a: SignedIn, b: SignedIn): boolean {
  return roomsOfPrincipal(a.principal).sort().join() === roomsOfPrincipal(b.principal).sort().join()
}
