/** The delivered configuration of the proxy, run by Debian's nginx on a free port with a certificate of its own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort } from './free-port.ts'
import { untilAnswers } from './until-answers.ts'

const ROOT = resolve(import.meta.dirname, '../..')

export interface TlsProxy {
  url: string
  /** PEM of its certificate, which nobody else trusts. */
  ca: string
  close(): Promise<void>
}

/** In front of these two ports of this machine. */
export async function startProxy(hubPorts: readonly [number, number]): Promise<TlsProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'patrolhub-proxy-'))
  const port = await freePort()
  const secrets = join(folder, 'secrets')
  const args = [join(ROOT, 'docker/make-secrets.mjs'), '--out', secrets, '--self-signed', 'localhost']
  execFileSync(process.execPath, args)
  const certificate = join(folder, 'tls/cert.pem')
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    readFileSync(join(ROOT, 'docker/nginx/nginx.conf'), 'utf8')
      .replaceAll('hub-1:8440', `127.0.0.1:${hubPorts[0]}`)
      .replaceAll('hub-2:8440', `127.0.0.1:${hubPorts[1]}`)
      .replace('listen 8443', `listen 127.0.0.1:${port}`)
      .replace('/run/secrets/tls_cert', certificate)
      .replace('/run/secrets/tls_key', join(folder, 'tls/key.pem'))
      .replaceAll('/tmp/nginx', join(folder, 'nginx')),
  )
  let said = ''
  const options = ['-e', 'stderr', '-g', 'daemon off;', '-c', file]
  const child: ChildProcess = spawn('/usr/sbin/nginx', options, { stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000)
  })
  await untilAnswers(child, port, 'nginx', () => said)
  return {
    url: `https://localhost:${port}`,
    ca: readFileSync(certificate, 'utf8'),
    async close() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
