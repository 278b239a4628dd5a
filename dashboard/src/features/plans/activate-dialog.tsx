import type { NewActivation, Plan } from '@patrolhub/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { hubNowMs } from '../../lib/hub-clock.ts'
import { keys } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { SelectField, TextArea, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import styles from './plans.module.css'

const HOURS = [1, 4, 12, 24, 72] as const
const HOUR_MS = 3_600_000

/** Asks for what an activation needs: emergency or drill, why, and until when. */
export function ActivateDialog({ plan, onClose }: { plan: Plan; onClose: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const activate = useMutation({
    mutationFn: (body: NewActivation) => api.post<Plan>(`/api/plans/${plan.planId}/activation`, body),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.plans })
      onClose()
    },
  })
  return (
    <Dialog title={t('plan.activateTitle', { name: plan.name })} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          const hours = Number(textOf(form, 'hours'))
          activate.mutate({
            reason: textOf(form, 'reason'),
            isDrill: textOf(form, 'kind') === 'drill',
            ...(hours === 0 ? {} : { endAtMs: hubNowMs() + hours * HOUR_MS }),
          })
        }}
      >
        <SelectField
          label={t('plan.kind')}
          name="kind"
          choices={[
            { value: 'drill', label: t('plan.drill') },
            { value: 'emergency', label: t('plan.emergency') },
          ]}
        />
        <TextArea label={t('plan.reason')} name="reason" rows={2} maxLength={400} required />
        <SelectField
          label={t('plan.end')}
          name="hours"
          choices={[
            { value: '0', label: t('plan.endByHand') },
            ...HOURS.map((value) => ({ value: String(value), label: t('plan.hours', { value }) })),
          ]}
        />
        {plan.needsApproval ? <p className={styles.warning}>{t('plan.staysClosed')}</p> : null}
        <p className={styles.note}>{t('plan.activateHelp')}</p>
        <ErrorNote error={activate.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="danger" isBusy={activate.isPending}>
            {t('plan.activate')}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
