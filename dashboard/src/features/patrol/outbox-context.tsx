import { useQueryClient } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from 'react'
import { keys } from '../../lib/queries.ts'
import { useSession } from '../../lib/session.ts'
import { useLiveState } from '../../lib/use-live.ts'
import { LoadingNote } from '../../ui/notes.tsx'
import { hubWire, Outbox } from './outbox.ts'
import { browserStore, memoryStore, type OutboxEntry } from './outbox-store.ts'

const OutboxContext = createContext<Outbox | undefined>(undefined)

/** Opens the outbox of the person at the phone and keeps sending while the patrol pages are open. */
export function OutboxProvider({ children }: { children: ReactNode }) {
  const { userId } = useSession()
  const queries = useQueryClient()
  const liveState = useLiveState()
  const [outbox, setOutbox] = useState<Outbox>()

  useEffect(() => {
    let opened: Outbox | undefined
    let isGone = false
    const open = async () => {
      const store = await browserStore().catch(memoryStore)
      if (isGone) return
      opened = new Outbox({
        userId,
        store,
        wire: hubWire,
        onSent: (dispatchId) => {
          void queries.invalidateQueries({ queryKey: ['dispatch', dispatchId] })
          void queries.invalidateQueries({ queryKey: keys.dispatches })
        },
      })
      await opened.start()
      if (!isGone) setOutbox(opened)
    }
    void open()
    return () => {
      isGone = true
      opened?.close()
    }
  }, [userId, queries])

  useEffect(() => {
    if (liveState === 'live') outbox?.poke()
    const poke = () => outbox?.poke()
    window.addEventListener('online', poke)
    return () => window.removeEventListener('online', poke)
  }, [outbox, liveState])

  if (!outbox) return <LoadingNote />
  return <OutboxContext value={outbox}>{children}</OutboxContext>
}

export function useOutbox(): Outbox {
  const outbox = useContext(OutboxContext)
  if (!outbox) throw new Error('useOutbox needs an OutboxProvider around it')
  return outbox
}

/** What is not sent yet, of one dispatch or of all. */
export function useUnsent(dispatchId?: string): readonly OutboxEntry[] {
  const outbox = useOutbox()
  const entries = useSyncExternalStore(outbox.subscribe, outbox.entries)
  return dispatchId === undefined ? entries : entries.filter((entry) => entry.dispatchId === dispatchId)
}
