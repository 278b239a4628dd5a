import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, ownSessionsQuery } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { TimeText } from '../../ui/time-text.tsx'

/** Where one is signed in; any of it can be ended at once. */
export function SessionsPanel() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data, error, isPending, refetch } = useQuery(ownSessionsQuery)
  const end = useMutation({
    mutationFn: (sessionId: string | undefined) =>
      api.delete<void>(sessionId ? `/api/session/list/${sessionId}` : '/api/session/list'),
    onSettled: () => void queries.invalidateQueries({ queryKey: keys.ownSessions }),
  })
  return (
    <Panel
      title={t('account.sessions')}
      aside={
        <Button isBusy={end.isPending} onClick={() => end.mutate(undefined)}>
          {t('account.endOthers')}
        </Button>
      }
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error ?? end.error} onRetry={() => void refetch()} />
      {data ? (
        <DataTable
          caption={t('account.sessions')}
          rows={data}
          rowKey={(session) => session.sessionId}
          columns={[
            { title: t('account.since'), cell: (session) => <TimeText atMs={session.createdAtMs} /> },
            { title: t('account.until'), cell: (session) => <TimeText atMs={session.expiresAtMs} /> },
            { title: t('account.address'), cell: (session) => session.address },
            { title: t('account.browser'), cell: (session) => session.userAgent || '–' },
            {
              title: t('admin.change'),
              cell: (session) =>
                session.isCurrent ? (
                  t('account.thisOne')
                ) : (
                  <Button look="plain" onClick={() => end.mutate(session.sessionId)}>
                    {t('account.end')}
                  </Button>
                ),
            },
          ]}
        />
      ) : null}
    </Panel>
  )
}
