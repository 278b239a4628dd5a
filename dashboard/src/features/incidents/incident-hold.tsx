import type { HoldIncident, Incident, IncidentDetail } from '@patrolhub/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { TextArea, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'

type Action = 'hold' | 'release'

interface HoldDialogProps {
  incidentId: string
  /** As it was asked for: the incident may change while the dialog is open. */
  action: Action
  onClose: () => void
}

function HoldDialog({ incidentId, action, onClose }: HoldDialogProps) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const path = `/api/incidents/${encodeURIComponent(incidentId)}/hold`
  const change = useMutation({
    mutationFn: (body: HoldIncident) =>
      action === 'hold' ? api.post<IncidentDetail>(path, body) : api.delete<IncidentDetail>(path, body),
    onSuccess: (detail) => {
      queries.setQueryData(keys.incident(incidentId), detail)
      onClose()
    },
    onError: () => void queries.invalidateQueries({ queryKey: keys.incident(incidentId) }),
  })
  return (
    <Dialog title={t(`hold.${action}`)} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          change.mutate({ reason: textOf(new FormData(event.currentTarget), 'reason') })
        }}
      >
        <TextArea label={t(`hold.why.${action}`)} name="reason" required maxLength={1000} />
        <ErrorNote error={change.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="primary" isBusy={change.isPending}>
            {t(`hold.${action}`)}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

/** Whether the evidence stays beyond its time, and why; whoever may, changes it. */
export function IncidentHold({ incident, canHold }: { incident: Incident; canHold: boolean }) {
  const { t } = useTranslation()
  const [asking, setAsking] = useState<Action>()
  const isHeld = incident.holdReason !== undefined
  const action = isHeld ? 'release' : 'hold'
  if (!isHeld && !canHold) return null
  return (
    <Panel
      title={t('hold.title')}
      aside={canHold ? <Button onClick={() => setAsking(action)}>{t(`hold.${action}`)}</Button> : null}
    >
      <p role="status" aria-label={t('hold.title')}>
        {isHeld ? t('hold.held', { reason: incident.holdReason }) : t('hold.notHeld')}
      </p>
      {asking ? (
        <HoldDialog incidentId={incident.incidentId} action={asking} onClose={() => setAsking(undefined)} />
      ) : null}
    </Panel>
  )
}
