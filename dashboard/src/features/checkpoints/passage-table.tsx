import type { Passage } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { passagesQuery } from '../../lib/queries.ts'
import { useMay } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { PassagePlateDialog } from '../../ui/passage-plate-dialog.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import { vehicleClassLabel } from './vehicle-class.ts'

const SHOWN = 30

/** The last vehicles, without plates: reading one takes a permission, a reason and an entry in the record. */
export function PassageTable({ checkpointId }: { checkpointId: string }) {
  const { t } = useTranslation()
  const may = useMay()
  const [asked, setAsked] = useState<Passage>()
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
            { title: t('passage.lane'), cell: (passage) => passage.lane, isNumber: true },
            {
              title: t('passage.speed'),
              cell: (passage) =>
                passage.speedKmh === undefined ? '–' : `${Math.round(passage.speedKmh)} km/h`,
              isNumber: true,
            },
            {
              title: t('passage.vehicleClass'),
              cell: (passage) => vehicleClassLabel(passage.vehicleClass, t),
            },
            {
              title: t('passage.direction'),
              cell: (passage) =>
                passage.direction === undefined
                  ? '–'
                  : t(`direction.${passage.direction}`, { defaultValue: passage.direction }),
            },
            {
              title: t('passage.hasPlate'),
              cell: (passage) =>
                !passage.hasPlate ? (
                  t('passage.notRead')
                ) : may('plate.read') ? (
                  <Button onClick={() => setAsked(passage)}>{t('plate.show')}</Button>
                ) : (
                  t('passage.read')
                ),
            },
          ]}
        />
      ) : null}
      {asked ? <PassagePlateDialog passage={asked} onClose={() => setAsked(undefined)} /> : null}
    </Panel>
  )
}
