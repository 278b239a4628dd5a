/** The video of an annotated clip. */
import { type Footage, findFootage } from '../simulator/footage.ts'

/** @throws Error if it is not on this machine. */
export async function footageOf(clip: string): Promise<Footage> {
  const found = (await findFootage()).find(({ name }) => name === clip)
  if (!found) throw new Error(`there is no footage ${clip}: set PATROLHUB_ASSETS`)
  return found
}
