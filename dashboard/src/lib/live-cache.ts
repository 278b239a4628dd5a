/**
 * How one event changes one cached list. Pure: a list goes in, a list comes out, the same object if nothing changed.
 * Every function may be given the same event twice, or an event older than what the list holds.
 */
import type {
  Alert,
  AlertPage,
  Dispatch,
  Evidence,
  Grant,
  Incident,
  IncidentDetail,
  IncidentState,
} from '@patrolhub/protocol'
import type { InfiniteData } from '@tanstack/react-query'

/** A list on a screen that is left open for days stays bounded; older ones are fetched again when asked for. */
export const MAX_LISTED_ALERTS = 200

export type AlertPages = InfiniteData<AlertPage, string | undefined>

const ENDED: ReadonlySet<IncidentState> = new Set(['closed', 'dismissed'])

export function hasEnded(state: IncidentState): boolean {
  return ENDED.has(state)
}

/** Puts an alert at its time, newest first. One older than the end of a list that goes on is left to its own page. */
export function withAlert(data: AlertPages, alert: Alert): AlertPages {
  const [first, ...rest] = data.pages
  if (!first) return data
  const oldest = data.pages.at(-1)?.items.at(-1)
  const goesOn = data.pages.at(-1)?.next !== undefined
  if (goesOn && oldest && alert.atMs < oldest.atMs) return data
  const pages = [first, ...rest].map((page) => ({
    ...page,
    items: page.items.filter((item) => item.alertId !== alert.alertId),
  }))
  const place = pages.findIndex((page) => page.items.some((item) => item.atMs <= alert.atMs))
  const target = pages[place === -1 ? pages.length - 1 : place]!
  const index = target.items.findIndex((item) => item.atMs <= alert.atMs)
  target.items.splice(index === -1 ? target.items.length : index, 0, alert)
  const single = pages.length === 1 ? pages[0] : undefined
  if (single && single.items.length > MAX_LISTED_ALERTS) {
    // Its `next` goes on from the old end and would skip what is cut off here.
    pages[0] = { items: single.items.slice(0, MAX_LISTED_ALERTS) }
  }
  return { ...data, pages }
}

/** Replaces or adds one piece of evidence; `undefined` if it is there already, unchanged. */
function placed(list: readonly Evidence[], evidence: Evidence): Evidence[] | undefined {
  const known = list.find((item) => item.evidenceId === evidence.evidenceId)
  if (known?.isStored === evidence.isStored && known.sha256 === evidence.sha256) return undefined
  return known
    ? list.map((item) => (item.evidenceId === evidence.evidenceId ? evidence : item))
    : [...list, evidence]
}

function alertsWithEvidence(alerts: readonly Alert[], evidence: Evidence): Alert[] | undefined {
  let changed = false
  const next = alerts.map((alert) => {
    if (alert.alertId !== evidence.alertId) return alert
    const list = placed(alert.evidence, evidence)
    if (!list) return alert
    changed = true
    return { ...alert, evidence: list }
  })
  return changed ? next : undefined
}

export function pagesWithEvidence(data: AlertPages, evidence: Evidence): AlertPages {
  let changed = false
  const pages = data.pages.map((page) => {
    const items = alertsWithEvidence(page.items, evidence)
    if (!items) return page
    changed = true
    return { ...page, items }
  })
  return changed ? { ...data, pages } : data
}

export function dispatchWithEvidence(dispatch: Dispatch, evidence: Evidence): Dispatch {
  if (dispatch.dispatchId !== evidence.dispatchId) return dispatch
  const photos = placed(dispatch.photos, evidence)
  return photos ? { ...dispatch, photos } : dispatch
}

export function detailWithEvidence(detail: IncidentDetail, evidence: Evidence): IncidentDetail {
  const alerts = alertsWithEvidence(detail.alerts, evidence)
  const dispatches = detail.dispatches.map((dispatch) => dispatchWithEvidence(dispatch, evidence))
  const changed = dispatches.some((dispatch, index) => dispatch !== detail.dispatches[index])
  return alerts || changed ? { ...detail, alerts: alerts ?? detail.alerts, dispatches } : detail
}

/** Keeps the list of open (or of ended) incidents, newest first, by the state that the incident is in now. */
export function withIncident(list: readonly Incident[], incident: Incident, ended: boolean): Incident[] {
  const known = list.find((item) => item.incidentId === incident.incidentId)
  if (known && known.updatedAtMs > incident.updatedAtMs) return [...list]
  const others = list.filter((item) => item.incidentId !== incident.incidentId)
  if (hasEnded(incident.state) !== ended) return others
  return [...others, incident].sort((a, b) => b.openedAtMs - a.openedAtMs)
}

/** Keeps the list of open (or of closed) dispatches, newest first. */
export function withDispatch(list: readonly Dispatch[], dispatch: Dispatch, ended: boolean): Dispatch[] {
  const known = list.find((item) => item.dispatchId === dispatch.dispatchId)
  if (known && known.steps.length > dispatch.steps.length) return [...list]
  const others = list.filter((item) => item.dispatchId !== dispatch.dispatchId)
  if ((dispatch.state === 'closed') !== ended) return others
  return [...others, dispatch].sort((a, b) => b.createdAtMs - a.createdAtMs)
}

/** Replaces the element with the same identity, or adds it at the end. */
export function replaced<T>(list: readonly T[], element: T, identity: (element: T) => string): T[] {
  const id = identity(element)
  const known = list.some((item) => identity(item) === id)
  return known ? list.map((item) => (identity(item) === id ? element : item)) : [...list, element]
}

export function withGrant(list: readonly Grant[], grant: Grant): Grant[] {
  return replaced(list, grant, (item) => item.grantId).sort((a, b) => b.beginAtMs - a.beginAtMs)
}
