import type { Passage } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { passagesQuery } from '../../lib/queries.ts'
import { DataTable } from '../../ui/data-table.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { PassagePlateDialog } from '../../ui/passage-plate-dialog.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import { usePassageColumns } from './passage-columns.tsx'

const SHOWN = 30

/** The last vehicles, without plates: reading one takes a permission, a reason and an entry in the record. */
export function PassageTable({ checkpointId }: { checkpointId: string }) {
  const { t } = useTranslation()
  const [asked, setAsked] = useState<Passage>()
  const columns = usePassageColumns(setAsked)
  const { data, error, isPending, refetch } = useQuery(passagesQuery(checkpointId, SHOWN))
  return (
    <Panel title={t('passage.title')} aside={<span>{t('passage.noPlates')}</span>}>
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data?.items.length === 0 ? <EmptyNote>{t('passage.none')}</EmptyNote> : null}
      {data && data.items.length > 0 ? (
        <DataTable
          caption={t('passage.title')}
          rows={data.items}
          rowKey={({ passageId }) => passageId}
          columns={[
            { title: t('passage.time'), cell: (passage) => <TimeText atMs={passage.atMs} form="clock" /> },
            ...columns,
          ]}
        />
      ) : null}
      {asked ? <PassagePlateDialog passage={asked} onClose={() => setAsked(undefined)} /> : null}
    </Panel>
  )
}
