/**
 * Wakes the other hubs by Redis' publish and subscribe. A word that is lost while Redis is away costs half a second, the
 * tail's own look at the store: nothing that matters is in Redis.
 */

import { createClient } from '@redis/client'
import type { Logger } from 'pino'
import type { Wakeups } from '../ports/wakeups.ts'

const CHANNEL = 'patrolhub:changes'
const MAX_RECONNECT_MS = 2000

export async function openRedisWakeups(options: { url: string; log: Logger }): Promise<Wakeups> {
  const log = options.log.child({ component: 'wakeups' })
  const listeners = new Set<() => void>()
  const settings = {
    url: options.url,
    // Words of the past wake nobody: they are not kept while Redis is away.
    disableOfflineQueue: true,
    socket: { reconnectStrategy: (attempt: number) => Math.min(50 * 2 ** attempt, MAX_RECONNECT_MS) },
  }
  const publisher = createClient(settings)
  const subscriber = createClient({ ...settings, disableOfflineQueue: false })
  let isAway = false
  const note = (err: Error) => {
    if (!isAway) log.warn({ err }, 'Redis is away: the other hubs hear of changes up to half a second later')
    isAway = true
  }
  for (const client of [publisher, subscriber]) client.on('error', note)
  publisher.on('ready', () => {
    if (isAway) log.info('Redis is back')
    isAway = false
    for (const listener of listeners) listener()
  })
  // Neither is waited for: a hub starts and works without Redis.
  publisher.connect().catch(note)
  subscriber
    .connect()
    .then(() =>
      subscriber.subscribe(CHANNEL, () => {
        for (const listener of listeners) listener()
      }),
    )
    .catch(note)
  return {
    send() {
      if (publisher.isReady) publisher.publish(CHANNEL, '').catch(note)
    },
    onWakeup(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      for (const client of [publisher, subscriber]) client.destroy()
    },
  }
}
