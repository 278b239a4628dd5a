import type { Camera, Grant, NewGrant, Purpose } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { withGrant } from '../../lib/live-cache.ts'
import { grantPoliciesQuery, grantsQuery } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { SelectField, TextArea, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import styles from './live-panel.module.css'

/** Every purpose once: the compiler names one that is missing. */
const PURPOSES = Object.keys({
  alert_check: true,
  incident_handling: true,
  patrol_support: true,
  maintenance: true,
  other: true,
} satisfies Record<Purpose, true>) as Purpose[]

const MINUTES = [5, 10, 15, 30, 60, 120] as const

interface GrantDialogProps {
  camera: Camera
  incidentId?: string
  onClose: () => void
}

/** Asks for what a viewing needs: a purpose, a note where the purpose does not say it all, and an end. */
export function GrantDialog({ camera, incidentId, onClose }: GrantDialogProps) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [purpose, setPurpose] = useState<Purpose>(incidentId ? 'incident_handling' : 'alert_check')
  const { data: policies, error } = useQuery(grantPoliciesQuery)
  const policy = policies?.items.find(({ sensitivity }) => sensitivity === camera.sensitivity)?.policy
  // The hub decides; this only asks well.
  const isNoteNeeded = policy?.needsNote === true || purpose === 'other'
  const isIncidentMissing = policy?.needsIncident === true && incidentId === undefined
  const ask = useMutation({
    mutationFn: (body: NewGrant) => api.post<Grant>('/api/grants', body),
    onSuccess: (grant) => {
      queries.setQueryData(grantsQuery.queryKey, (list) => ({ items: withGrant(list?.items ?? [], grant) }))
      onClose()
    },
  })
  return (
    <Dialog title={t('grant.title', { name: camera.name })} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          const note = textOf(form, 'note')
          ask.mutate({
            cameraId: camera.cameraId,
            purpose,
            minutes: Number(textOf(form, 'minutes')),
            ...(note === '' ? {} : { note }),
            ...(incidentId === undefined ? {} : { incidentId }),
          })
        }}
      >
        <SelectField
          label={t('grant.purpose')}
          name="purpose"
          value={purpose}
          onChange={(event) => setPurpose(event.currentTarget.value as Purpose)}
          choices={PURPOSES.map((value) => ({ value, label: t(`purpose.${value}`) }))}
        />
        <TextArea
          label={t('grant.note')}
          hint={isNoteNeeded ? t('grant.noteNeeded') : undefined}
          name="note"
          rows={2}
          maxLength={400}
          required={isNoteNeeded}
        />
        <SelectField
          label={t('grant.minutes')}
          name="minutes"
          defaultValue="10"
          choices={MINUTES.filter((value) => value <= (policy?.maxMinutes ?? MINUTES[1])).map((value) => ({
            value: String(value),
            label: t('grant.minuteChoice', { value }),
          }))}
        />
        {policy?.needsSecondPerson ? <p className={styles.restricted}>{t('grant.needsSecond')}</p> : null}
        {isIncidentMissing ? <p className={styles.restricted}>{t('grant.needsIncident')}</p> : null}
        <p className={styles.recorded}>{t('grant.recorded')}</p>
        <ErrorNote error={ask.error ?? error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="primary" isBusy={ask.isPending} disabled={isIncidentMissing}>
            {t('grant.ask')}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
