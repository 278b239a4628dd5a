import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import type { i18n } from 'i18next'
import { useState } from 'react'
import { I18nextProvider } from 'react-i18next'
import { RouterProvider } from 'react-router/dom'
import { ApiError } from '../lib/api.ts'
import { Live } from '../lib/live.ts'
import { keys } from '../lib/queries.ts'
import { LiveContext } from '../lib/use-live.ts'
import { makeRouter } from './router.tsx'

const MAX_RETRIES = 2

function makeQueryClient(): QueryClient {
  const noticeEnd = (error: Error) => {
    if (!(error instanceof ApiError)) return
    if (error.status === 401) client.setQueryData(keys.session, null)
    if (error.code === 'HUB_MUST_CHANGE_PASSWORD' || error.code === 'HUB_MUST_ENROL')
      void client.invalidateQueries({ queryKey: keys.session })
  }
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({ onError: noticeEnd }),
    mutationCache: new MutationCache({
      // A wrong password at the sign-in is a 401 as well, and ends nothing.
      onError: (error, _variables, _context, mutation) => {
        if (mutation.options.mutationKey?.[0] !== 'sign-in') noticeEnd(error)
      },
    }),
    defaultOptions: {
      queries: {
        // The socket keeps what is on the screen fresh; this bounds how often a page change asks again.
        staleTime: 15_000,
        retry: (failures, error) => error instanceof ApiError && error.isTemporary && failures < MAX_RETRIES,
      },
      // Steps of an incident are not repeated by themselves: somebody else may have acted meanwhile.
      mutations: { retry: false, networkMode: 'always' },
    },
  })
  return client
}

export function App({ i18n }: { i18n: i18n }) {
  const [queryClient] = useState(makeQueryClient)
  const [live] = useState(() => new Live(queryClient))
  const [router] = useState(makeRouter)
  return (
    <I18nextProvider i18n={i18n}>
      <QueryClientProvider client={queryClient}>
        <LiveContext value={live}>
          <RouterProvider router={router} />
        </LiveContext>
      </QueryClientProvider>
    </I18nextProvider>
  )
}
