import type { Dispatch, Incident, NewDispatch } from '@patrolhub/protocol'
import { covers } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, teamsQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { SelectField, TextArea, textOf } from '../../ui/field.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'

function DispatchDialog({ incident, onClose }: { incident: Incident; onClose: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const regionName = useRegionName()
  const { data: teams, error: teamsError } = useQuery({ ...teamsQuery, staleTime: 0 })
  const dispatch = useMutation({
    mutationFn: (body: NewDispatch) =>
      api.post<Dispatch>(`/api/incidents/${encodeURIComponent(incident.incidentId)}/dispatches`, body),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.incident(incident.incidentId) })
      void queries.invalidateQueries({ queryKey: keys.incidents })
      onClose()
    },
    onError: () => void queries.invalidateQueries({ queryKey: keys.incident(incident.incidentId) }),
  })
  // Teams whose own region holds the place come first, then those with the least to do.
  const sorted = teams?.toSorted(
    (a, b) =>
      Number(covers(b.region, incident.region)) - Number(covers(a.region, incident.region)) ||
      a.openDispatches - b.openDispatches,
  )
  return (
    <Dialog title={t('dispatch.title')} onClose={onClose}>
      <ErrorNote error={teamsError} />
      {!sorted && !teamsError ? <LoadingNote /> : null}
      {sorted?.length === 0 ? <EmptyNote>{t('dispatch.noTeams')}</EmptyNote> : null}
      {sorted && sorted.length > 0 ? (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            const form = new FormData(event.currentTarget)
            const instruction = textOf(form, 'instruction')
            const teamId = textOf(form, 'teamId')
            dispatch.mutate(instruction === '' ? { teamId } : { teamId, instruction })
          }}
        >
          <SelectField
            label={t('dispatch.team')}
            name="teamId"
            required
            choices={sorted.map((team) => ({
              value: team.teamId,
              label: t('dispatch.teamChoice', {
                name: team.name,
                kind: t(`teamKind.${team.kind}`),
                place: regionName(team.region),
                open: team.openDispatches,
              }),
            }))}
          />
          <TextArea
            label={t('dispatch.instruction')}
            hint={t('dispatch.instructionHint')}
            name="instruction"
            maxLength={1000}
          />
          <ErrorNote error={dispatch.error} />
          <DialogActions>
            <Button onClick={onClose}>{t('common.cancel')}</Button>
            <Button type="submit" look="primary" isBusy={dispatch.isPending}>
              {t('dispatch.send')}
            </Button>
          </DialogActions>
        </form>
      ) : (
        <DialogActions>
          <Button onClick={onClose}>{t('common.close')}</Button>
        </DialogActions>
      )}
    </Dialog>
  )
}

/** The button that opens the dialog to send a team. */
export function DispatchAction({ incident, isNext }: { incident: Incident; isNext: boolean }) {
  const { t } = useTranslation()
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <Button look={isNext ? 'primary' : 'quiet'} onClick={() => setOpen(true)}>
        {t('dispatch.action')}
      </Button>
      {isOpen ? <DispatchDialog incident={incident} onClose={() => setOpen(false)} /> : null}
    </>
  )
}
