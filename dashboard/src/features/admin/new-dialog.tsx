import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { ErrorNote } from '../../ui/notes.tsx'

interface NewDialogProps {
  title: string
  error: unknown
  isBusy: boolean
  onSubmit: (form: FormData) => void
  onClose: () => void
  children: ReactNode
}

/** The frame of every form that creates something. */
export function NewDialog({ title, error, isBusy, onSubmit, onClose, children }: NewDialogProps) {
  const { t } = useTranslation()
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          onSubmit(new FormData(event.currentTarget))
        }}
      >
        {children}
        <ErrorNote error={error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="primary" isBusy={isBusy}>
            {t('common.create')}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
