/**
 * A private InfluxDB of the Debian package on free ports and a temporary folder, and in front of it a proxy that
 * rewrites `/api/v2/write`, which came with 1.8 only, to `/write`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export function findInfluxd(): string | undefined {
  const { stdout } = spawnSync('sh', ['-c', 'command -v influxd'], { encoding: 'utf8' })
  return stdout.trim() || undefined
}

export interface Influxd {
  url: string
  database: string
  pid: number
  query(q: string): Promise<unknown>
  close(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export async function startInfluxd(program: string): Promise<Influxd> {
  const folder = await mkdtemp(join(tmpdir(), 'patrolhub-influxd-'))
  const [http, rpc] = [await freePort(), await freePort()]
  const config = join(folder, 'influxdb.conf')
  await writeFile(
    config,
    `reporting-disabled = true
bind-address = "127.0.0.1:${rpc}"
[meta]
  dir = "${folder}/meta"
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
[http]
  bind-address = "127.0.0.1:${http}"
  log-enabled = false
`,
  )
  const child: ChildProcess = spawn(program, ['-config', config], { stdio: 'ignore' })
  const direct = `http://127.0.0.1:${http}`
  const deadline = Date.now() + 30_000
  while (
    !(await fetch(`${direct}/ping`).then(
      (response) => response.ok,
      () => false,
    ))
  ) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error(`${program} did not start`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }

  const proxy = createServer((incoming, answer) => {
    const url = new URL(incoming.url ?? '/', direct)
    if (url.pathname === '/api/v2/write') {
      url.pathname = '/write'
      url.searchParams.set('db', url.searchParams.get('bucket') ?? '')
    }
    const outgoing = request(url, { method: incoming.method, headers: incoming.headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
    })
    outgoing.on('error', () => answer.destroy())
    incoming.pipe(outgoing)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`

  const query = async (q: string) =>
    (await fetch(`${direct}/query?${new URLSearchParams({ q, db: 'hub' })}`, { method: 'POST' })).json()
  await query('CREATE DATABASE hub')
  return {
    url,
    database: 'hub',
    pid: child.pid!,
    query,
    async close() {
      proxy.closeAllConnections()
      proxy.close()
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}
