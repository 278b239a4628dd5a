import type { Incident, IncidentDetail, MoveIncident } from '@patrolhub/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { TextArea, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import styles from './incident-actions.module.css'

type Move = MoveIncident['to']

/** In the order of the work. The first one allowed is the one that comes next, so it is the one that stands out. */
const MOVES: readonly Move[] = ['verified', 'closed', 'accepted', 'dismissed']
type Action = Move | 'sentBack'
/** These ask for words: a dismissal and a return must say why, a verification may. */
const ASKS_NOTE: ReadonlySet<Action> = new Set(['dismissed', 'sentBack', 'verified'])
const NEEDS_NOTE: ReadonlySet<Action> = new Set(['dismissed', 'sentBack'])

/** Accepting something that a team has handled already means: not done yet. */
function actionOf(to: Move, incident: Incident): Action {
  return to === 'accepted' && incident.state === 'handled' ? 'sentBack' : to
}

function useMove(incidentId: string, onDone: () => void) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: MoveIncident) =>
      api.post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/transitions`, body),
    onSuccess: (detail) => {
      queries.setQueryData(keys.incident(incidentId), detail)
      void queries.invalidateQueries({ queryKey: keys.incidents })
      onDone()
    },
    // Somebody else was quicker: show what is true now beside the refusal.
    onError: () => void queries.invalidateQueries({ queryKey: keys.incident(incidentId) }),
  })
}

interface NoteDialogProps {
  incidentId: string
  to: Move
  action: Action
  onClose: () => void
}

function NoteDialog({ incidentId, to, action, onClose }: NoteDialogProps) {
  const { t } = useTranslation()
  const move = useMove(incidentId, onClose)
  return (
    <Dialog title={t(`action.${action}`)} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const note = textOf(new FormData(event.currentTarget), 'note')
          move.mutate(note === '' ? { to } : { to, note })
        }}
      >
        <TextArea
          label={NEEDS_NOTE.has(action) ? t(`action.why.${action}`) : t('action.note')}
          name="note"
          required={NEEDS_NOTE.has(action)}
          maxLength={1000}
        />
        <ErrorNote error={move.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look={to === 'dismissed' ? 'danger' : 'primary'} isBusy={move.isPending}>
            {t(`action.${action}`)}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

interface IncidentActionsProps {
  detail: IncidentDetail
  /** The button that sends a team, where that is possible. */
  dispatchAction?: ReactNode
}

/** What the person may do with the incident now: the hub says which, and checks again. */
export function IncidentActions({ detail, dispatchAction }: IncidentActionsProps) {
  const { t } = useTranslation()
  const [asking, setAsking] = useState<Move>()
  const { incident } = detail
  const { incidentId } = incident
  const move = useMove(incidentId, () => {})
  const allowed = MOVES.filter((to) => detail.allowed.includes(to))
  const next = allowed.find((to) => to !== 'dismissed')
  if (allowed.length === 0 && !dispatchAction) return null
  return (
    <fieldset className={styles.actions} aria-label={t('action.label')}>
      {allowed
        .filter((to) => to !== 'dismissed')
        .map((to) => (
          <Button
            key={to}
            look={to === next ? 'primary' : 'quiet'}
            isBusy={move.isPending && move.variables.to === to}
            onClick={() => (ASKS_NOTE.has(actionOf(to, incident)) ? setAsking(to) : move.mutate({ to }))}
          >
            {t(`action.${actionOf(to, incident)}`)}
          </Button>
        ))}
      {dispatchAction}
      {allowed.includes('dismissed') ? (
        <Button look="danger" onClick={() => setAsking('dismissed')}>
          {t('action.dismissed')}
        </Button>
      ) : null}
      <ErrorNote error={move.error} />
      {asking ? (
        <NoteDialog
          incidentId={incidentId}
          to={asking}
          action={actionOf(asking, incident)}
          onClose={() => setAsking(undefined)}
        />
      ) : null}
    </fieldset>
  )
}
