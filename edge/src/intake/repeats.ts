/**
 * Messages that a device sends again because it missed the acknowledgement (MQTT's DUP flag): the same work is not done
 * twice. Remembers the newest messages of each device; what is older, or from before a restart, is taken as new.
 */
import { createHash } from 'node:crypto'

const REMEMBERED_PER_DEVICE = 256

export class Repeats<T> {
  readonly #done = new Map<string, Map<string, Promise<T>>>()

  /**
   * Runs `work` unless the message is marked as a repeat and has been taken before: then it answers as that one did.
   * A failure is forgotten, so that the repeat is a real second try.
   */
  async once(
    deviceId: string,
    { topic, payload, isRepeat }: { topic: string; payload: Uint8Array; isRepeat: boolean },
    work: () => Promise<T>,
  ): Promise<T> {
    const key = createHash('sha1').update(topic).update('\0').update(payload).digest('base64')
    const done = this.#done.get(deviceId) ?? new Map<string, Promise<T>>()
    this.#done.set(deviceId, done)
    const before = done.get(key)
    if (isRepeat && before) return before
    const result = work()
    done.delete(key)
    done.set(key, result)
    if (done.size > REMEMBERED_PER_DEVICE) done.delete(done.keys().next().value as string)
    try {
      return await result
    } catch (error) {
      if (done.get(key) === result) done.delete(key)
      throw error
    }
  }
}
