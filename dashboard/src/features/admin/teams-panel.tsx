import type { NewTeam, Team, TeamKind } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, teamsQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { SelectField, TextField, textOf } from '../../ui/field.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { RegionField } from '../../ui/region-field.tsx'
import { NewDialog } from './new-dialog.tsx'

const KINDS = Object.keys({
  professional: true,
  cadre: true,
  volunteer: true,
} satisfies Record<TeamKind, true>) as TeamKind[]

function NewTeamDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const { scope } = useSession()
  const queries = useQueryClient()
  const create = useMutation({
    mutationFn: (body: NewTeam) => api.post<Team>('/api/teams', body),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.teams })
      onClose()
    },
  })
  return (
    <NewDialog
      title={t('admin.newTeam')}
      error={create.error}
      isBusy={create.isPending}
      onClose={onClose}
      onSubmit={(form) =>
        create.mutate({
          name: textOf(form, 'name'),
          region: textOf(form, 'region'),
          kind: textOf(form, 'kind') as TeamKind,
        })
      }
    >
      <TextField label={t('admin.teamName')} name="name" required maxLength={80} autoFocus />
      <RegionField label={t('admin.region')} name="region" initial={scope} />
      <SelectField
        label={t('admin.teamKind')}
        name="kind"
        choices={KINDS.map((value) => ({ value, label: t(`teamKind.${value}`) }))}
      />
    </NewDialog>
  )
}

export function TeamsPanel() {
  const { t } = useTranslation()
  const may = useMay()
  const regionName = useRegionName()
  const { data, error, isPending, refetch } = useQuery(teamsQuery)
  const [isOpen, setOpen] = useState(false)
  return (
    <Panel
      title={t('admin.teams')}
      aside={may('team.write') ? <Button onClick={() => setOpen(true)}>{t('admin.newTeam')}</Button> : null}
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data?.length === 0 ? <EmptyNote>{t('admin.noTeams')}</EmptyNote> : null}
      {data && data.length > 0 ? (
        <DataTable
          caption={t('admin.teams')}
          rows={data}
          rowKey={(team) => team.teamId}
          columns={[
            { title: t('admin.teamName'), cell: (team) => team.name },
            { title: t('admin.teamKind'), cell: (team) => t(`teamKind.${team.kind}`) },
            { title: t('admin.region'), cell: (team) => regionName(team.region) },
            { title: t('admin.members'), cell: (team) => team.memberCount, isNumber: true },
            { title: t('admin.openDispatches'), cell: (team) => team.openDispatches, isNumber: true },
          ]}
        />
      ) : null}
      {isOpen ? <NewTeamDialog onClose={() => setOpen(false)} /> : null}
    </Panel>
  )
}
