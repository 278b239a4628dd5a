/**
 * node-media-server in a thread of its own. It keeps its state in module globals, ends the process when it cannot
 * listen, writes to the console and has no bound on what it buffers: in here all that touches nobody else.
 *
 * Only its HTTP part is started, not `run()`: that would open a store in the working directory and take over SIGINT
 * and SIGTERM. Its WebSockets are closed: a bad path there is an exception that nobody catches.
 */
import type { AddressInfo } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import NodeMediaServer from 'node-media-server'

export interface MediaWorkerData {
  /** Of node-media-server's signed addresses; made anew at every start. */
  secret: string
}
export interface MediaListening {
  port: number
}

const { secret } = workerData as MediaWorkerData

const server = new NodeMediaServer({
  bind: '127.0.0.1',
  http: { port: '0' },
  auth: { play: true, publish: true, secret },
  webadmin: { enable: false },
})
const { httpServer, wsServer } = server.httpServer
wsServer.close()
// A publish is one request that lasts for hours; Node's default would end it after five minutes.
httpServer.requestTimeout = 0
httpServer.on('listening', () => {
  const { port } = httpServer.address() as AddressInfo
  parentPort!.postMessage({ port } satisfies MediaListening)
})
server.httpServer.run()
