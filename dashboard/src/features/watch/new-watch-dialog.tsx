import type { NewWatchEntry, WatchEntry } from '@patrolhub/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'
import { useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { SelectField, TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { RegionField } from '../../ui/region-field.tsx'

const SEVERITIES: readonly NewWatchEntry['severity'][] = ['critical', 'major', 'minor', 'info']
const DAYS = [1, 3, 7, 30, 90]

/** Asks that a plate be looked for. */
export function NewWatchDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const { scope } = useSession()
  const queries = useQueryClient()
  const add = useMutation({
    mutationFn: (body: NewWatchEntry) => api.post<WatchEntry>('/api/watch-list', body),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.watchList })
      onClose()
    },
  })
  return (
    <Dialog title={t('watch.new')} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          add.mutate({
            plate: textOf(form, 'plate'),
            region: textOf(form, 'region'),
            severity: textOf(form, 'severity') as NewWatchEntry['severity'],
            reason: textOf(form, 'reason'),
            instruction: textOf(form, 'instruction'),
            days: Number(textOf(form, 'days')),
          })
        }}
      >
        <p>{t('watch.help')}</p>
        <TextField
          label={t('watch.plate')}
          name="plate"
          required
          minLength={5}
          maxLength={20}
          autoComplete="off"
          autoFocus
        />
        <TextField label={t('watch.reason')} name="reason" required minLength={3} maxLength={200} />
        <TextField label={t('watch.instruction')} name="instruction" maxLength={200} />
        <SelectField
          label={t('watch.severity')}
          name="severity"
          defaultValue="major"
          choices={SEVERITIES.map((value) => ({ value, label: t(`severity.${value}`) }))}
        />
        <RegionField label={t('admin.region')} name="region" initial={scope} />
        <SelectField
          label={t('watch.days')}
          name="days"
          defaultValue="7"
          choices={DAYS.map((days) => ({ value: String(days), label: t('watch.dayCount', { value: days }) }))}
        />
        <ErrorNote error={add.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="primary" isBusy={add.isPending}>
            {t('watch.ask')}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
