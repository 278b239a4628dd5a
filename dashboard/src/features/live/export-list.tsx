import type { Export } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { exportsQuery } from '../../lib/queries.ts'
import { useMay } from '../../lib/session.ts'
import { DataTable } from '../../ui/data-table.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { StateMark, type Tone } from '../../ui/state-mark.tsx'
import { TimeText } from '../../ui/time-text.tsx'

const TONES: Readonly<Record<Export['state'], Tone>> = {
  making: 'warn',
  ready: 'good',
  failed: 'bad',
  removed: 'dim',
}

/** Packages of one camera, newest first, each with its download while its grant holds; nothing where there is none. */
export function ExportList({ cameraId }: { cameraId: string }) {
  const { t } = useTranslation()
  const may = useMay()
  const isAsked = may('export.make') || may('audit.read')
  const { data, error } = useQuery({ ...exportsQuery, enabled: isAsked })
  const rows = data?.items.filter((item) => item.cameraId === cameraId) ?? []
  if (rows.length === 0) return <ErrorNote error={error} />
  return (
    <Panel title={t('export.list')}>
      <DataTable
        caption={t('export.list')}
        rows={rows}
        rowKey={({ exportId }) => exportId}
        columns={[
          { title: t('export.madeAt'), cell: (row) => <TimeText atMs={row.createdAtMs} /> },
          { title: t('approval.who'), cell: (row) => row.userName },
          {
            title: t('export.span'),
            cell: ({ span }) => (
              <>
                <TimeText atMs={span.fromMs} form="full" /> – <TimeText atMs={span.toMs} form="full" />
              </>
            ),
          },
          { title: t('export.reason'), cell: (row) => row.reason },
          {
            title: t('approval.state'),
            cell: (row) => (
              <StateMark tone={TONES[row.state]}>
                {t(`exportState.${row.state}`)}
                {row.problem ? `: ${row.problem}` : ''}
              </StateMark>
            ),
          },
          {
            title: t('approval.action'),
            cell: ({ downloadPath, bytes = 0 }) =>
              downloadPath ? (
                <a href={downloadPath} download>
                  {t('export.download', { value: (bytes / 1e6).toFixed(1) })}
                </a>
              ) : null,
          },
        ]}
      />
    </Panel>
  )
}
