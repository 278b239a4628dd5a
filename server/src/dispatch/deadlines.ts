/** How soon a team has to have acknowledged a dispatch and to be there, by severity. Pure. */
import type { Severity } from '@patrolhub/protocol'

const MINUTE_MS = 60_000

const MINUTES: Readonly<Record<Severity, { acknowledge: number; arrive: number }>> = {
  critical: { acknowledge: 2, arrive: 10 },
  major: { acknowledge: 5, arrive: 20 },
  minor: { acknowledge: 10, arrive: 40 },
  info: { acknowledge: 30, arrive: 120 },
}

/** Both from the moment the dispatch was made. */
export function deadlinesFrom(
  createdAtMs: number,
  severity: Severity,
): { acknowledgeByMs: number; arriveByMs: number } {
  const { acknowledge, arrive } = MINUTES[severity]
  return {
    acknowledgeByMs: createdAtMs + acknowledge * MINUTE_MS,
    arriveByMs: createdAtMs + arrive * MINUTE_MS,
  }
}
