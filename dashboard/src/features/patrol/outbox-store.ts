/** Where unsent steps and photos wait: in the browser's own database, so that they outlive a reload or a flat battery. */
import type { NewStep } from '@patrolhub/protocol'

interface EntryBase {
  /** Grows with time: entries are sent in this order. */
  id: string
  userId: string
  dispatchId: string
  atMs: number
  /** Set when the hub said no for good; empty while it still waits. */
  refusal: string
}

export type OutboxEntry =
  | (EntryBase & { kind: 'step'; step: NewStep })
  | (EntryBase & { kind: 'photo'; photo: Blob })

export interface OutboxStore {
  all(): Promise<OutboxEntry[]>
  put(entry: OutboxEntry): Promise<void>
  remove(id: string): Promise<void>
}

/** Keeps entries until the page is closed: for a browser that stores nothing. */
export function memoryStore(): OutboxStore {
  const entries = new Map<string, OutboxEntry>()
  return {
    all: async () => [...entries.values()],
    put: async (entry) => {
      entries.set(entry.id, entry)
    },
    remove: async (id) => {
      entries.delete(id)
    },
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

const TABLE = 'outbox'

/** Opens the browser's database; rejects where there is none (some private windows). */
export async function browserStore(): Promise<OutboxStore> {
  const opening = indexedDB.open('patrolhub', 1)
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(TABLE, { keyPath: 'id' })
  }
  const database = await settled(opening)
  const table = (mode: IDBTransactionMode) => database.transaction(TABLE, mode).objectStore(TABLE)
  return {
    all: () => settled(table('readonly').getAll() as IDBRequest<OutboxEntry[]>),
    put: async (entry) => {
      await settled(table('readwrite').put(entry))
    },
    remove: async (id) => {
      await settled(table('readwrite').delete(id))
    },
  }
}
