import type { CreatedEdge, Edge, NewEdge } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { devicesQuery, keys } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { RegionField } from '../../ui/region-field.tsx'
import { StateDot, type Tone } from '../../ui/state-mark.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import { EdgeHealthFigures } from './edge-health.tsx'
import { EdgeSettingsDialog } from './edge-settings-dialog.tsx'
import { NewDialog } from './new-dialog.tsx'
import { type Secret, SecretDialog } from './secret-dialog.tsx'

const TONES: Readonly<Record<Edge['state'], Tone>> = { online: 'good', offline: 'bad', 'never seen': 'dim' }

function NewEdgeDialog({ onClose, onCreated }: { onClose: () => void; onCreated: (secret: Secret) => void }) {
  const { t } = useTranslation()
  const { scope } = useSession()
  const queries = useQueryClient()
  const create = useMutation({
    mutationFn: (body: NewEdge) => api.post<CreatedEdge>('/api/edges', body),
    onSuccess: ({ edge, token }) => {
      void queries.invalidateQueries({ queryKey: keys.devices })
      onCreated({
        title: t('admin.edgeCreated'),
        label: t('admin.token'),
        owner: `${edge.name} (${edge.edgeId})`,
        value: token,
      })
    },
  })
  return (
    <NewDialog
      title={t('admin.newEdge')}
      error={create.error}
      isBusy={create.isPending}
      onClose={onClose}
      onSubmit={(form) =>
        create.mutate({
          edgeId: textOf(form, 'edgeId'),
          name: textOf(form, 'name'),
          region: textOf(form, 'region'),
        })
      }
    >
      <TextField
        label={t('admin.edgeId')}
        name="edgeId"
        hint={t('admin.edgeIdHint')}
        pattern="[A-Za-z0-9][A-Za-z0-9_\-]{0,63}"
        autoComplete="off"
        required
        autoFocus
      />
      <TextField label={t('admin.edgeName')} name="name" required maxLength={80} autoComplete="off" />
      <RegionField label={t('admin.region')} name="region" initial={scope} />
    </NewDialog>
  )
}

export function EdgesPanel() {
  const { t } = useTranslation()
  const may = useMay()
  const regionName = useRegionName()
  const { data, error, isPending, refetch } = useQuery(devicesQuery)
  const [isOpen, setOpen] = useState(false)
  const [secret, setSecret] = useState<Secret>()
  const [configured, setConfigured] = useState<Edge>()
  return (
    <Panel
      title={t('admin.edges')}
      aside={may('edge.write') ? <Button onClick={() => setOpen(true)}>{t('admin.newEdge')}</Button> : null}
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data?.edges.length === 0 ? <EmptyNote>{t('admin.noEdges')}</EmptyNote> : null}
      {data && data.edges.length > 0 ? (
        <DataTable
          caption={t('admin.edges')}
          rows={data.edges}
          rowKey={(edge) => edge.edgeId}
          columns={[
            { title: t('admin.edgeName'), cell: (edge) => edge.name },
            { title: t('admin.edgeId'), cell: (edge) => edge.edgeId },
            { title: t('admin.region'), cell: (edge) => regionName(edge.region) },
            {
              title: t('devices.state'),
              cell: (edge) => <StateDot tone={TONES[edge.state]}>{t(`edgeState.${edge.state}`)}</StateDot>,
            },
            {
              title: t('devices.lastSeen'),
              cell: (edge) => (edge.lastSeenAtMs === undefined ? '–' : <TimeText atMs={edge.lastSeenAtMs} />),
            },
            {
              title: t('admin.box'),
              cell: (edge) => (edge.health ? <EdgeHealthFigures health={edge.health} /> : '–'),
            },
            ...(may('edge.write')
              ? [
                  {
                    title: t('admin.actions'),
                    cell: (edge: Edge) => (
                      <Button onClick={() => setConfigured(edge)}>{t('admin.settings')}</Button>
                    ),
                  },
                ]
              : []),
          ]}
        />
      ) : null}
      {isOpen ? (
        <NewEdgeDialog
          onClose={() => setOpen(false)}
          onCreated={(made) => {
            setOpen(false)
            setSecret(made)
          }}
        />
      ) : null}
      {configured ? <EdgeSettingsDialog edge={configured} onClose={() => setConfigured(undefined)} /> : null}
      {secret ? <SecretDialog secret={secret} onClose={() => setSecret(undefined)} /> : null}
    </Panel>
  )
}
