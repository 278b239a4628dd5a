import type { PlateReason, ReadPlate, WatchEntry } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { PlateDialog } from '../../ui/plate-dialog.tsx'

/** The plate of an entry of the watch list, for those who decide on it. */
export function ReadPlateDialog({ entry, onClose }: { entry: WatchEntry; onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <PlateDialog
      title={t('watch.readTitle', { plate: entry.plateMasked })}
      read={({ reason }) =>
        api.post<ReadPlate>(`/api/watch-list/${encodeURIComponent(entry.entryId)}/plate`, {
          reason,
        } satisfies PlateReason)
      }
      onClose={onClose}
    />
  )
}
