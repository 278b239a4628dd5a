import type { Region } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, regionsQuery } from '../../lib/queries.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { RegionField } from '../../ui/region-field.tsx'
import { NewDialog } from './new-dialog.tsx'

/** The names of the divisions inside the scope: a place in words on every screen. */
export function RegionsPanel() {
  const { t } = useTranslation()
  const may = useMay()
  const { scope } = useSession()
  const queries = useQueryClient()
  const { data, error, isPending, refetch } = useQuery(regionsQuery)
  const [isOpen, setOpen] = useState(false)
  const name = useMutation({
    mutationFn: (region: Region) =>
      api.put<unknown>(`/api/regions/${encodeURIComponent(region.code)}`, { name: region.name }),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.regions })
      setOpen(false)
    },
  })
  return (
    <Panel
      title={t('admin.regions')}
      aside={
        may('region.write') ? <Button onClick={() => setOpen(true)}>{t('admin.newRegion')}</Button> : null
      }
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data?.length === 0 ? <EmptyNote>{t('admin.noRegions')}</EmptyNote> : null}
      {data && data.length > 0 ? (
        <DataTable
          caption={t('admin.regions')}
          rows={data}
          rowKey={(region) => region.code}
          columns={[
            { title: t('admin.regionCode'), cell: (region) => region.code },
            { title: t('admin.regionName'), cell: (region) => region.name },
          ]}
        />
      ) : null}
      {isOpen ? (
        <NewDialog
          title={t('admin.newRegion')}
          error={name.error}
          isBusy={name.isPending}
          onClose={() => setOpen(false)}
          onSubmit={(form) => name.mutate({ code: textOf(form, 'code'), name: textOf(form, 'name') })}
        >
          <RegionField label={t('admin.regionCode')} name="code" initial={scope} />
          <TextField label={t('admin.regionName')} name="name" required maxLength={80} />
        </NewDialog>
      ) : null}
    </Panel>
  )
}
