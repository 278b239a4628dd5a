import type { IncidentState } from '@patrolhub/protocol'
import type { Tone } from '../../ui/state-mark.tsx'

/** Red waits for somebody, amber is under way, green is done, grey is put away. */
export const INCIDENT_TONES: Readonly<Record<IncidentState, Tone>> = {
  reported: 'bad',
  accepted: 'warn',
  assigned: 'warn',
  acknowledged: 'accent',
  en_route: 'accent',
  on_scene: 'accent',
  handled: 'good',
  verified: 'good',
  closed: 'dim',
  dismissed: 'dim',
}
