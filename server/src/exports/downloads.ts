/** Downloads that run, so that what ends a grant or a session ends them too. */
import type { Socket } from 'node:net'

export interface Download {
  grantId: string
  cameraId: string
  sessionHash: string
  socket: Pick<Socket, 'destroy'>
  isCut: boolean
}

export class Downloads {
  readonly #running = new Set<Download>()

  /** Before it is looked whether it may run: an end from then on finds it. */
  register(download: Omit<Download, 'isCut'>): Download {
    const running = { ...download, isCut: false }
    this.#running.add(running)
    return running
  }

  forget(download: Download): void {
    this.#running.delete(download)
  }

  cutGrant(grantId: string, keeps: ReadonlySet<string>): void {
    this.#cut((download) => download.grantId === grantId && !keeps.has(download.cameraId))
  }

  cutSessions(sessionHashes: readonly string[]): void {
    const ended = new Set(sessionHashes)
    this.#cut(({ sessionHash }) => ended.has(sessionHash))
  }

  cutAll(): void {
    this.#cut(() => true)
  }

  #cut(isMeant: (download: Download) => boolean): void {
    for (const download of this.#running) {
      if (!isMeant(download)) continue
      download.isCut = true
      download.socket.destroy()
    }
  }
}
