/** Whether a handshake or a sign-in comes from a page of this hub. */
import type { IncomingHttpHeaders } from 'node:http'

/**
 * True if the page that asks (`Origin`) was served by the host that is asked. Programs that are no browsers send no
 * origin and carry no cookie by accident, so they pass. `trustsProxy`: the outside name stands in X-Forwarded-Host.
 */
export function isSameOrigin(headers: IncomingHttpHeaders, trustsProxy: boolean): boolean {
  const { origin, host } = headers
  if (origin === undefined) return true
  let originHost: string
  try {
    originHost = new URL(origin).host
  } catch {
    return false
  }
  if (originHost === '') return false
  const forwarded = trustsProxy ? headers['x-forwarded-host'] : undefined
  const hosts = [
    host,
    ...[forwarded ?? []].flat().flatMap((names) => names.split(',').map((name) => name.trim())),
  ]
  return hosts.some((name) => name !== undefined && withoutDefaultPort(origin, name) === originHost)
}

/** `example.org:443` is `example.org` where 443 is the scheme's own port. */
function withoutDefaultPort(origin: string, host: string): string {
  try {
    return new URL(`${new URL(origin).protocol}//${host}`).host
  } catch {
    return host
  }
}
