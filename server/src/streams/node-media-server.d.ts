/** What of node-media-server the worker uses; the package ships no types. */
declare module 'node-media-server' {
  import type { Server } from 'node:http'

  interface Settings {
    bind: string
    /** A number as text: 0 would mean "no listener", the text '0' takes a free port. */
    http: { port: string }
    auth: { play: boolean; publish: boolean; secret: string }
    webadmin: { enable: boolean }
  }

  export default class NodeMediaServer {
    constructor(settings: Settings)
    readonly httpServer: {
      readonly httpServer: Server
      readonly wsServer: { close(): void }
      /** Listens. */
      run(): void
    }
  }
}
