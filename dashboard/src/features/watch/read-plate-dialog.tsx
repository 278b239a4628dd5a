import type { PlateReason, ReadPlate, WatchEntry } from '@patrolhub/protocol'
import { useMutation } from '@tanstack/react-query'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import styles from './watch-list.module.css'

/** A screen that is left alone shows nobody a plate. */
const SHOWN_MS = 60_000

/** Asks why, puts that on the record, and shows the plate for a minute. */
export function ReadPlateDialog({ entry, onClose }: { entry: WatchEntry; onClose: () => void }) {
  const { t } = useTranslation()
  const read = useMutation({
    mutationFn: (body: PlateReason) =>
      api.post<ReadPlate>(`/api/watch-list/${encodeURIComponent(entry.entryId)}/plate`, body),
    gcTime: 0,
  })
  const plate = read.data?.plate
  useEffect(() => {
    if (plate === undefined) return
    const timer = setTimeout(onClose, SHOWN_MS)
    return () => clearTimeout(timer)
  }, [plate, onClose])
  return (
    <Dialog title={t('watch.readTitle', { plate: entry.plateMasked })} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          read.mutate({ reason: textOf(new FormData(event.currentTarget), 'reason') })
        }}
      >
        {plate === undefined ? (
          <TextField
            label={t('watch.readWhy')}
            name="reason"
            required
            minLength={3}
            maxLength={200}
            autoFocus
          />
        ) : (
          <output className={styles.plate}>{plate}</output>
        )}
        <ErrorNote error={read.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.close')}</Button>
          {plate === undefined ? (
            <Button type="submit" look="primary" isBusy={read.isPending}>
              {t('watch.read')}
            </Button>
          ) : null}
        </DialogActions>
      </form>
    </Dialog>
  )
}
