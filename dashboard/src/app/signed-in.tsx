import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { Navigate, Outlet, useLocation } from 'react-router'
import { sessionQuery } from '../lib/queries.ts'
import { useLive } from '../lib/use-live.ts'
import { ErrorNote, LoadingNote } from '../ui/notes.tsx'

/** Lets nobody past who is not signed in, and keeps the socket open for as long as somebody is. */
export function SignedIn() {
  const { data: session, error, isPending, refetch } = useQuery(sessionQuery)
  const live = useLive()
  const location = useLocation()
  const userId =
    session && !session.mustChangePassword && !session.mustEnrolSecondFactor ? session.userId : undefined

  useEffect(() => {
    if (userId === undefined) return
    live.start()
    return () => live.close()
  }, [live, userId])

  if (isPending) return <LoadingNote />
  if (error) return <ErrorNote error={error} onRetry={() => void refetch()} />
  if (!session) return <Navigate to="/sign-in" replace state={{ from: location.pathname }} />
  if (session.mustChangePassword) return <Navigate to="/password" replace />
  if (session.mustEnrolSecondFactor) return <Navigate to="/second-factor" replace />
  return <Outlet />
}
