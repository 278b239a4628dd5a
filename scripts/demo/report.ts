/** The line of JSON that a demo with `--seconds` ends with. */
import type { Overview } from '@patrolhub/protocol'
import type { Demo } from './stack.ts'
import type { Latency } from './watcher.ts'

export interface DemoReport {
  /** True if every count is above zero and neither hub nor edge ended by itself. */
  ok: boolean
  /** How long everything was up. */
  seconds: number
  /** From the command to the dashboard's address, installation included. */
  setupSeconds: number
  /** As setupSeconds, where packages, model or dashboard had to be made first; else null. */
  coldSeconds: number | null
  footage: string
  camerasOnline: number
  framesAnalysed: number
  alerts: number
  cameraAlerts: number
  passages: number
  readings: number
  points: number
  incidents: number
  /** From the capture of the frame that decided a camera's alert to its event on an operator's socket. */
  alertLatencyMs: Latency
  crashes: number
  /** Why it is not ok. */
  problems: string[]
}

export interface Timing {
  seconds: number
  setupSeconds: number
  isCold: boolean
}

export async function makeReport(demo: Demo, timing: Timing): Promise<DemoReport> {
  const now = await demo.watcher.overview()
  const count = (key: keyof Overview) => Math.max(0, (now?.[key] ?? 0) - (demo.before?.[key] ?? 0))
  const counts = {
    camerasOnline: now?.camerasOnline ?? 0,
    framesAnalysed: now?.framesAnalysed ?? 0,
    alerts: count('alertsTotal'),
    cameraAlerts: demo.watcher.cameraAlerts,
    passages: count('passagesTotal'),
    readings: count('readingsTotal'),
    points: count('pointsTotal'),
    incidents: count('incidentsTotal'),
  }
  const source = demo.cameras[0]?.source ?? 'none'
  const crashes = demo.hub.crashes + demo.edge.crashes
  const problems = Object.entries(counts)
    // A rendered scene shows nobody: no alert of a camera is to be expected.
    .filter(([name, value]) => value === 0 && !(name === 'cameraAlerts' && source === 'rendered'))
    .map(([name]) => `${name} is 0`)
  if (now === undefined) problems.push('the hub does not answer')
  if (crashes > 0) problems.push(`hub and edge ended by themselves ${crashes} times`)
  return {
    ok: problems.length === 0,
    seconds: round(timing.seconds),
    setupSeconds: round(timing.setupSeconds),
    coldSeconds: timing.isCold ? round(timing.setupSeconds) : null,
    footage: source,
    ...counts,
    alertLatencyMs: demo.watcher.latency(),
    crashes,
    problems,
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10
}
