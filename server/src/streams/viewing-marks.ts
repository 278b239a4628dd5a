/**
 * What is unusual about a viewing: fixed rules with numbers from the settings, so that everybody can see why a viewing
 * stands out and nobody is scored. A mark is no verdict; it says where an auditor should look. Pure.
 */
import { type AllowedHours, covers, type ViewingMark, type ViewingRule } from '@patrolhub/protocol'
import { isInHours } from '../access/hours.ts'
import type { HubConfig } from '../config.ts'

export type MarkConfig = Pick<
  HubConfig,
  | 'markNoIncidentFrom'
  | 'markManyCameras'
  | 'markManyMinutes'
  | 'markRepeatedLooks'
  | 'markRepeatedHours'
  | 'markLongMinutes'
>

const MINUTE_MS = 60_000
/** From the most open on. */
const SENSITIVITIES: readonly string[] = ['public', 'controlled', 'restricted']

/** How a viewing stood when it was opened. */
export interface Opening {
  atMs: number
  viewer: { scope: string; isOnDuty: boolean; hours: AllowedHours | null }
  /** For an incident, or under an emergency plan that is active. */
  hasOccasion: boolean
  camera: { region: string; sensitivity: string }
  /** Cameras that the viewer opened within `markManyMinutes`, this one among them. */
  camerasLately: number
  /** Grants under which the viewer opened this camera within `markRepeatedHours`, this one among them. */
  looksLately: number
}

/** Every rule with the numbers it goes by, in the order in which marks are shown. */
export function rulesOf(config: MarkConfig): ViewingRule[] {
  const noIncident = config.markNoIncidentFrom
  return [
    { mark: 'off-duty', isOn: true },
    { mark: 'out-of-hours', isOn: true },
    { mark: 'outside-scope', isOn: true },
    { mark: 'restricted', isOn: true },
    {
      mark: 'no-incident',
      isOn: noIncident !== 'never',
      ...(noIncident === 'never' ? {} : { fromSensitivity: noIncident }),
    },
    counting('many-cameras', config.markManyCameras, config.markManyMinutes),
    counting('repeated', config.markRepeatedLooks, config.markRepeatedHours * 60),
    counting('long', config.markLongMinutes),
  ]
}

function counting(mark: ViewingMark['mark'], allowed: number, withinMinutes?: number): ViewingRule {
  return { mark, isOn: allowed > 0, allowed, ...(withinMinutes === undefined ? {} : { withinMinutes }) }
}

/** The marks of a viewing that is being opened. */
export function marksAtOpening(opening: Opening, config: MarkConfig): ViewingMark[] {
  const { viewer, camera, hasOccasion, atMs } = opening
  // One that is not known counts as the strictest.
  const rank = (sensitivity: string) => {
    const place = SENSITIVITIES.indexOf(sensitivity)
    return place < 0 ? SENSITIVITIES.length - 1 : place
  }
  const marks: ViewingMark[] = []
  if (!viewer.isOnDuty) marks.push({ mark: 'off-duty' })
  if (!isInHours(viewer.hours, atMs)) marks.push({ mark: 'out-of-hours' })
  if (!covers(viewer.scope, camera.region)) marks.push({ mark: 'outside-scope' })
  if (rank(camera.sensitivity) === rank('restricted')) marks.push({ mark: 'restricted' })
  const { markNoIncidentFrom, markManyCameras, markRepeatedLooks } = config
  if (
    !hasOccasion &&
    markNoIncidentFrom !== 'never' &&
    rank(camera.sensitivity) >= rank(markNoIncidentFrom)
  ) {
    marks.push({ mark: 'no-incident' })
  }
  const { camerasLately, looksLately } = opening
  if (markManyCameras > 0 && camerasLately >= markManyCameras) {
    marks.push({ mark: 'many-cameras', found: camerasLately, allowed: markManyCameras })
  }
  if (markRepeatedLooks > 0 && looksLately >= markRepeatedLooks) {
    marks.push({ mark: 'repeated', found: looksLately, allowed: markRepeatedLooks })
  }
  return marks
}

/** From this length on, in ms; `undefined` for never. */
export function longFromMs({ markLongMinutes }: MarkConfig): number | undefined {
  return markLongMinutes > 0 ? markLongMinutes * MINUTE_MS : undefined
}
