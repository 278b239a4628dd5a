/** Pages of plates that end between milliseconds, the same for every engine. */
import type { PlatePage, StoredPlate } from '../../ports/plate-store.ts'

/** `ask` answers the first plates by time, at most `count` of them. */
export async function plateLimited(
  { toMs, limit }: { toMs: number; limit: number },
  ask: (count: number) => Promise<StoredPlate[]>,
): Promise<PlatePage> {
  for (let most = limit; ; most *= 4) {
    // One more than wanted, to see whether the last millisecond is whole.
    const plates = await ask(most + 1)
    if (plates.length <= most) return { plates, upToMs: toMs }
    const upToMs = plates.at(-1)!.atMs
    const whole = plates.filter(({ atMs }) => atMs < upToMs)
    if (whole.length > 0) return { plates: whole, upToMs }
  }
}
