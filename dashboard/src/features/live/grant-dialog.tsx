import type { CameraPolicy, Grant, NewGrant, Purpose, Sensitivity } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { hubNowMs } from '../../lib/hub-clock.ts'
import { withGrant } from '../../lib/live-cache.ts'
import { grantPoliciesQuery, grantsQuery } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { SelectField, TextArea, TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { PurposeField } from '../../ui/purpose-field.tsx'
import { defaultSpan, fieldTime, timeIn } from './history-span.ts'
import styles from './live-panel.module.css'

const MINUTES = [5, 10, 15, 30, 60, 120] as const

/** What is asked for; a camera whose sensitivity is not known lies outside the scope. */
export type GrantSubject =
  | { kind: 'camera'; cameraId: string; name: string; sensitivity?: Sensitivity }
  | { kind: 'group'; groupId: string; name: string; policy: CameraPolicy }

/** From outside the scope always with a note and a second person. */
const FROM_OUTSIDE: Pick<CameraPolicy, 'needsNote' | 'needsIncident' | 'needsSecondPerson' | 'maxMinutes'> & {
  maxHistoryMinutes?: number
} = { needsNote: true, needsIncident: false, needsSecondPerson: true, maxMinutes: 120 }

function usePolicy(subject: GrantSubject) {
  const { data, error } = useQuery(grantPoliciesQuery)
  if (subject.kind === 'group') return { policy: subject.policy, error: null }
  if (subject.sensitivity === undefined) return { policy: FROM_OUTSIDE, error: null }
  const row = data?.items.find(({ sensitivity }) => sensitivity === subject.sensitivity)
  return { policy: row?.policy, error }
}

interface GrantDialogProps {
  subject: GrantSubject
  /** For what was recorded in a span, instead of live video. */
  isHistory?: boolean
  incidentId?: string
  /** What the history is about; now without it. */
  aroundMs?: number
  onClose: () => void
}

/** Asks for what a viewing needs: a purpose, a note where the purpose does not say it all, and an end. */
export function GrantDialog({ subject, isHistory = false, incidentId, aroundMs, onClose }: GrantDialogProps) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [purpose, setPurpose] = useState<Purpose>(incidentId ? 'incident_handling' : 'alert_check')
  const { policy, error } = usePolicy(subject)
  const [openedMs] = useState(hubNowMs)
  const span = defaultSpan(aroundMs, openedMs)
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
    <Dialog
      title={t(isHistory ? 'history.askTitle' : 'grant.title', { name: subject.name })}
      onClose={onClose}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          const note = textOf(form, 'note')
          ask.mutate({
            ...(subject.kind === 'group' ? { groupId: subject.groupId } : { cameraId: subject.cameraId }),
            purpose,
            minutes: Number(textOf(form, 'minutes')),
            ...(!isHistory
              ? {}
              : { history: { fromMs: timeIn(textOf(form, 'from')), toMs: timeIn(textOf(form, 'to')) } }),
            ...(note === '' ? {} : { note }),
            ...(incidentId === undefined ? {} : { incidentId }),
          })
        }}
      >
        {isHistory ? (
          <>
            <TextField
              label={t('history.from')}
              name="from"
              type="datetime-local"
              step={1}
              required
              defaultValue={fieldTime(span.fromMs)}
              max={fieldTime(openedMs)}
            />
            <TextField
              label={t('history.to')}
              hint={
                policy?.maxHistoryMinutes === undefined
                  ? undefined
                  : t('history.atMost', { value: policy.maxHistoryMinutes })
              }
              name="to"
              type="datetime-local"
              step={1}
              required
              defaultValue={fieldTime(span.toMs)}
              max={fieldTime(openedMs)}
            />
          </>
        ) : null}
        <PurposeField
          value={purpose}
          onChange={(event) => setPurpose(event.currentTarget.value as Purpose)}
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
        {subject.kind === 'group' ? <p className={styles.recorded}>{t('grant.groupHelp')}</p> : null}
        {policy?.needsSecondPerson ? (
          <p className={styles.restricted}>
            {t(subject.kind === 'group' ? 'grant.groupNeedsSecond' : 'grant.needsSecond')}
          </p>
        ) : null}
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
