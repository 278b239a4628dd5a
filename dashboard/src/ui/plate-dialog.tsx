import { PURPOSES, type Purpose, type ReadPlate } from '@patrolhub/protocol'
import { useMutation } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { hubNowMs } from '../lib/hub-clock.ts'
import { useNowMs } from '../lib/use-now.ts'
import { Button } from './button.tsx'
import { Dialog, DialogActions } from './dialog.tsx'
import { TextField, textOf } from './field.tsx'
import { ErrorNote } from './notes.tsx'
import styles from './plate-dialog.module.css'
import { PurposeField } from './purpose-field.tsx'

/** A screen that is left alone shows nobody a plate. */
const SHOWN_SECONDS = 30

export interface WhyPlate {
  purpose: Purpose
  reason: string
}

interface PlateDialogProps {
  title: string
  /** What the purpose begins with; without it none is asked for. */
  purpose?: Purpose
  read: (why: WhyPlate) => Promise<ReadPlate>
  onClose: () => void
}

/** Asks why, puts that on the record, and shows the plate for a short time, and only while somebody looks at the page. */
export function PlateDialog({ title, purpose, read, onClose }: PlateDialogProps) {
  const { t } = useTranslation()
  // Nothing keeps the plate once the dialog is closed.
  const asking = useMutation({ mutationFn: read, gcTime: 0 })
  const plate = asking.data?.plate
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          asking.mutate({
            purpose: PURPOSES.find((name) => name === form.get('purpose')) ?? 'other',
            reason: textOf(form, 'reason'),
          })
        }}
      >
        {plate === undefined ? (
          <>
            {purpose === undefined ? null : <PurposeField defaultValue={purpose} />}
            <TextField
              label={t('plate.reason')}
              name="reason"
              required
              minLength={3}
              maxLength={200}
              autoFocus
            />
          </>
        ) : (
          <ShownPlate plate={plate} onOver={onClose} />
        )}
        <ErrorNote error={asking.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.close')}</Button>
          {plate === undefined ? (
            <Button type="submit" look="primary" isBusy={asking.isPending}>
              {t('plate.show')}
            </Button>
          ) : null}
        </DialogActions>
      </form>
    </Dialog>
  )
}

function ShownPlate({ plate, onOver }: { plate: string; onOver: () => void }) {
  const { t } = useTranslation()
  const [untilMs] = useState(() => hubNowMs() + SHOWN_SECONDS * 1000)
  const seconds = Math.ceil((untilMs - useNowMs()) / 1000)
  useEffect(() => {
    if (seconds <= 0) onOver()
  }, [seconds, onOver])
  useEffect(() => {
    const hide = () => {
      if (document.hidden) onOver()
    }
    document.addEventListener('visibilitychange', hide)
    return () => document.removeEventListener('visibilitychange', hide)
  }, [onOver])
  return (
    <>
      <output className={styles.plate}>{plate}</output>
      <p className={styles.until}>{t('plate.hiddenIn', { seconds: Math.max(0, seconds) })}</p>
    </>
  )
}
