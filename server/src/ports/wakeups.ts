/** A word between hubs that there are changes in the store they share. It may be lost: it only saves waiting. */
export interface Wakeups {
  /** Tells the others; never waits, never fails. */
  send(): void
  onWakeup(listener: () => void): () => void
  close(): Promise<void>
}

/** For a hub that has its store to itself. */
export const NO_WAKEUPS: Wakeups = {
  send: () => undefined,
  onWakeup: () => () => undefined,
  close: async () => undefined,
}
