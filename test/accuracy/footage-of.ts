/** The video of an annotated clip. */
import { type Footage, findFootage } from '../simulator/footage.ts'
import { SCENES, sceneFootage } from './scenes.ts'

/** A recording, or a scene, which is made if it has not been. @throws Error if the recording is not on this machine. */
export async function footageOf(clip: string): Promise<Footage> {
  if (clip in SCENES) return sceneFootage(clip)
  const found = (await findFootage()).find(({ name }) => name === clip)
  if (!found) throw new Error(`there is no footage ${clip}: set PATROLHUB_ASSETS`)
  return found
}
