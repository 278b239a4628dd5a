import type { CameraGroup, CameraGroupChange, NewCameraGroup } from '@patrolhub/protocol'
import { covers } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { devicesQuery, groupsQuery, keys } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { RegionField } from '../../ui/region-field.tsx'
import { CheckList } from './check-list.tsx'
import styles from './plans.module.css'

/** `group` undefined: a new one. */
function GroupDialog({ group, onClose }: { group: CameraGroup | undefined; onClose: () => void }) {
  const { t } = useTranslation()
  const { scope } = useSession()
  const regionName = useRegionName()
  const queries = useQueryClient()
  const { data: devices } = useQuery(devicesQuery)
  const save = useMutation({
    mutationFn: ({ region, ...change }: NewCameraGroup) =>
      group
        ? api.put<CameraGroup>(`/api/camera-groups/${group.groupId}`, change satisfies CameraGroupChange)
        : api.post<CameraGroup>('/api/camera-groups', { region, ...change }),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.groups })
      onClose()
    },
  })
  // What is there already and not seen here any more stays unless it is taken out.
  const seen = devices?.cameras.filter((camera) => !group || covers(group.region, camera.region)) ?? []
  const unseen =
    group?.cameras.filter((camera) => !seen.some((one) => one.cameraId === camera.cameraId)) ?? []
  return (
    <Dialog title={group ? t('group.changeTitle', { name: group.name }) : t('group.new')} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          save.mutate({
            name: textOf(form, 'name'),
            region: textOf(form, 'region'),
            cameraIds: form.getAll('cameraIds').map(String),
          })
        }}
      >
        <TextField
          label={t('group.name')}
          name="name"
          defaultValue={group?.name}
          required
          maxLength={80}
          autoComplete="off"
        />
        {group ? (
          <input type="hidden" name="region" value={group.region} />
        ) : (
          <RegionField label={t('group.region')} name="region" initial={scope} />
        )}
        <CheckList
          label={t('group.cameras')}
          name="cameraIds"
          chosen={group?.cameras.map(({ cameraId }) => cameraId) ?? []}
          choices={[
            ...seen.map(({ cameraId, name, region }) => ({
              value: cameraId,
              label: `${name} · ${regionName(region)}`,
            })),
            ...unseen.map(({ cameraId, name }) => ({ value: cameraId, label: name })),
          ]}
        />
        {group ? <p className={styles.note}>{t('group.cutHelp')}</p> : null}
        <ErrorNote error={save.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="primary" isBusy={save.isPending}>
            {t('admin.save')}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

function DissolveButton({ group }: { group: CameraGroup }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const dissolve = useMutation({
    mutationFn: () => api.delete<unknown>(`/api/camera-groups/${group.groupId}`),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.groups }),
  })
  return (
    <>
      <Button look="danger" isBusy={dissolve.isPending} onClick={() => dissolve.mutate()}>
        {t('group.dissolve')}
      </Button>
      <ErrorNote error={dissolve.error} />
    </>
  )
}

/** Groups of cameras that grants and plans may be for. */
export function GroupsPanel() {
  const { t } = useTranslation()
  const may = useMay()
  const regionName = useRegionName()
  const { data, error, isPending, refetch } = useQuery(groupsQuery)
  const [open, setOpen] = useState<{ group: CameraGroup | undefined }>()
  return (
    <Panel
      title={t('group.title')}
      aside={
        may('group.write') ? (
          <Button onClick={() => setOpen({ group: undefined })}>{t('group.new')}</Button>
        ) : null
      }
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data?.items.length === 0 ? <EmptyNote>{t('group.none')}</EmptyNote> : null}
      {data && data.items.length > 0 ? (
        <DataTable
          caption={t('group.title')}
          rows={data.items}
          rowKey={(group) => group.groupId}
          columns={[
            { title: t('group.name'), cell: (group) => group.name },
            { title: t('group.region'), cell: (group) => regionName(group.region) },
            {
              title: t('group.cameras'),
              cell: (group) =>
                group.cameras
                  .map(({ name, sensitivity }) => (sensitivity ? name : t('group.missing', { name })))
                  .join(', ') || '–',
            },
            ...(may('group.write')
              ? [
                  {
                    title: t('admin.change'),
                    cell: (group: CameraGroup) => (
                      <div className={styles.buttons}>
                        <Button onClick={() => setOpen({ group })}>{t('group.change')}</Button>
                        <DissolveButton group={group} />
                      </div>
                    ),
                  },
                ]
              : []),
          ]}
        />
      ) : null}
      {open ? <GroupDialog group={open.group} onClose={() => setOpen(undefined)} /> : null}
    </Panel>
  )
}
