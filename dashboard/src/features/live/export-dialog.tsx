import type { Export, NewExport } from '@patrolhub/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api, withQuery } from '../../lib/api.ts'
import { keys } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { TextArea, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'

interface ExportDialogProps {
  grantId: string
  camera: { cameraId: string; name: string }
  onClose: () => void
}

/** Takes the span of a grant out, with a reason. */
export function ExportDialog({ grantId, camera, onClose }: ExportDialogProps) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const make = useMutation({
    mutationFn: (body: NewExport) => {
      const path = `/media/exports/${encodeURIComponent(grantId)}`
      return api.post<Export>(withQuery(path, { camera: camera.cameraId }), body)
    },
    onSuccess: onClose,
    onSettled: () => queries.invalidateQueries({ queryKey: keys.exports }),
  })
  return (
    <Dialog title={t('export.title', { name: camera.name })} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          make.mutate({ reason: textOf(new FormData(event.currentTarget), 'reason') })
        }}
      >
        <TextArea label={t('export.reason')} name="reason" rows={2} maxLength={400} required />
        <p>{t('export.help')}</p>
        <ErrorNote error={make.error} />
        <DialogActions>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="primary" isBusy={make.isPending}>
            {t('export.make')}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
