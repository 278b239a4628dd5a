import type { Session } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { sessionQuery } from './queries.ts'

/** The person at the screen. Only for pages behind the sign-in. */
export function useSession(): Session {
  const { data } = useQuery(sessionQuery)
  if (!data) throw new Error('useSession needs a signed-in page around it')
  return data
}

/** Asks whether the person may do something; the hub checks again. */
export function useMay(): (permission: string) => boolean {
  const { permissions } = useSession()
  return (permission) => permissions.includes(permission)
}

/** Where somebody starts after signing in. */
export function homeOf(session: Session): string {
  const may = (permission: string) => session.permissions.includes(permission)
  if (may('dispatch.step') && !may('incident.read')) return '/patrol'
  if (may('incident.read') || may('device.read') || !may('audit.read')) return '/'
  return '/audit'
}
