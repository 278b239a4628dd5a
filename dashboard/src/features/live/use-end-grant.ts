import { useMutation, useQueryClient } from '@tanstack/react-query'
import { api } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'

/** Ends a grant of one's own, or takes a request back. */
export function useEndGrant(grantId: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: () => api.delete<unknown>(`/api/grants/${encodeURIComponent(grantId)}`),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.grants }),
  })
}
