import type { Purpose } from '@patrolhub/protocol'

/** Every purpose once: the compiler names one that is missing. */
export const PURPOSES = Object.keys({
  alert_check: true,
  incident_handling: true,
  patrol_support: true,
  maintenance: true,
  other: true,
} satisfies Record<Purpose, true>) as Purpose[]
