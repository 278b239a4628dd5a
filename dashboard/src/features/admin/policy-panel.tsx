import type { CameraPolicy, GrantPolicies } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { grantPoliciesQuery } from '../../lib/queries.ts'
import { useMay } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { SelectField, TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'

type Row = GrantPolicies['items'][number]

const NEEDS = ['needsNote', 'needsIncident', 'needsSecondPerson'] as const
const OUTSIDE = ['no', 'id', 'name'] as const satisfies readonly CameraPolicy['outside'][]

function PolicyDialog({ row, onClose }: { row: Row; onClose: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const save = useMutation({
    mutationFn: (policy: CameraPolicy) =>
      api.put<GrantPolicies>(`/api/grant-policies/${row.sensitivity}`, policy),
    onSuccess: (policies) => {
      queries.setQueryData(grantPoliciesQuery.queryKey, policies)
      onClose()
    },
  })
  const title = t('policy.changeTitle', { name: t(`sensitivity.${row.sensitivity}`) })
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          save.mutate({
            maxMinutes: Number(textOf(form, 'maxMinutes')),
            maxHistoryMinutes: Number(textOf(form, 'maxHistoryMinutes')),
            needsNote: textOf(form, 'needsNote') === 'yes',
            needsIncident: textOf(form, 'needsIncident') === 'yes',
            needsSecondPerson: textOf(form, 'needsSecondPerson') === 'yes',
            outside: textOf(form, 'outside') as CameraPolicy['outside'],
          })
        }}
      >
        <TextField
          label={t('policy.maxMinutes')}
          name="maxMinutes"
          type="number"
          min={1}
          max={480}
          required
          defaultValue={String(row.policy.maxMinutes)}
        />
        <TextField
          label={t('policy.maxHistoryMinutes')}
          name="maxHistoryMinutes"
          type="number"
          min={0}
          max={1440}
          required
          defaultValue={String(row.policy.maxHistoryMinutes)}
        />
        {NEEDS.map((need) => (
          <SelectField
            key={need}
            label={t(`policy.${need}`)}
            name={need}
            defaultValue={row.policy[need] ? 'yes' : 'no'}
            choices={[
              { value: 'yes', label: t('policy.yes') },
              { value: 'no', label: t('policy.no') },
            ]}
          />
        ))}
        <SelectField
          label={t('policy.outside')}
          name="outside"
          defaultValue={row.policy.outside}
          choices={OUTSIDE.map((value) => ({ value, label: t(`policy.outsideChoice.${value}`) }))}
        />
        <p>{t('policy.warning')}</p>
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

/** What cameras of each sensitivity ask of who wants to watch them; an administrator of the whole hub changes it. */
export function PolicyPanel() {
  const { t } = useTranslation()
  const may = useMay()
  const [changing, setChanging] = useState<Row>()
  const { data, error, isPending, refetch } = useQuery(grantPoliciesQuery)
  return (
    <Panel title={t('policy.title')}>
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      <DataTable
        caption={t('policy.title')}
        rows={data?.items ?? []}
        rowKey={({ sensitivity }) => sensitivity}
        columns={[
          { title: t('devices.sensitivity'), cell: ({ sensitivity }) => t(`sensitivity.${sensitivity}`) },
          { title: t('policy.maxMinutes'), cell: ({ policy }) => policy.maxMinutes },
          { title: t('policy.maxHistoryMinutes'), cell: ({ policy }) => policy.maxHistoryMinutes },
          ...NEEDS.map((need) => ({
            title: t(`policy.${need}`),
            cell: ({ policy }: Row) => (policy[need] ? t('policy.yes') : t('policy.no')),
          })),
          { title: t('policy.outside'), cell: ({ policy }) => t(`policy.outsideChoice.${policy.outside}`) },
          {
            title: t('approval.action'),
            cell: (row) =>
              may('policy.write') ? (
                <Button onClick={() => setChanging(row)}>{t('policy.change')}</Button>
              ) : null,
          },
        ]}
      />
      {changing ? <PolicyDialog row={changing} onClose={() => setChanging(undefined)} /> : null}
    </Panel>
  )
}
