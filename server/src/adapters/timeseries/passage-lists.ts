/** Passages as lists show them, of what an engine has stored: the same for every engine. */
import type { Passage } from '@patrolhub/protocol'
import { type PassagePlace, passageIdOf } from '../../ports/passage-id.ts'
import type { PlacedPassage } from '../../ports/timeseries.ts'

/** `null` for what the point does not have. */
interface Stored {
  region: string
  lane: number
  speedKmh: number | null
  vehicleClass: string | null
  plateColour: string | null
  direction: string | null
  hasPlate: boolean
}

export function listed(place: PassagePlace, stored: Stored): PlacedPassage {
  const { region, lane, speedKmh, vehicleClass, plateColour, direction, hasPlate } = stored
  return {
    passageId: passageIdOf(place),
    checkpointId: place.deviceId,
    region,
    atMs: place.atMs,
    lane,
    ...(speedKmh === null ? {} : { speedKmh }),
    ...(vehicleClass === null ? {} : { vehicleClass }),
    ...(plateColour === null ? {} : { plateColour }),
    ...(direction === null ? {} : { direction }),
    hasPlate,
  }
}

/** In the list of one checkpoint it goes without saying where they passed. */
export function withoutPlace({ checkpointId: _, region: __, ...passage }: PlacedPassage): Passage {
  return passage
}
