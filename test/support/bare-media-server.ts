/** node-media-server alone, in a process of its own, as somebody would run it: says its port and runs until killed. */
import type { AddressInfo } from 'node:net'
import NodeMediaServer from 'node-media-server'

const server = new NodeMediaServer({
  bind: '127.0.0.1',
  http: { port: '0' },
  auth: { play: false, publish: false, secret: '' },
  webadmin: { enable: false },
})
const { httpServer } = server.httpServer
httpServer.requestTimeout = 0
httpServer.on('listening', () => process.send!({ port: (httpServer.address() as AddressInfo).port }))
server.httpServer.run()
process.on('disconnect', () => process.exit())
