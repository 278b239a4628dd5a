import type { Passage, PlateReading, ReadPlate } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { api } from '../lib/api.ts'
import { clockTime } from '../lib/time.ts'
import { PlateDialog } from './plate-dialog.tsx'

interface PassagePlateDialogProps {
  passage: Pick<Passage, 'passageId' | 'atMs' | 'lane'>
  /** What the passage is looked at for. */
  incidentId?: string
  onClose: () => void
}

/** The plate of a passage, for those who may read it (`plate.read`). Keep it outside of rows that come and go. */
export function PassagePlateDialog({ passage, incidentId, onClose }: PassagePlateDialogProps) {
  const { t, i18n } = useTranslation()
  const { passageId, atMs, lane } = passage
  return (
    <PlateDialog
      title={t('plate.title', { time: clockTime(atMs, i18n.language), lane })}
      purpose={incidentId === undefined ? 'alert_check' : 'incident_handling'}
      read={(why) =>
        api.post<ReadPlate>(`/api/passages/${encodeURIComponent(passageId)}/plate`, {
          ...why,
          ...(incidentId === undefined ? {} : { incidentId }),
        } satisfies PlateReading)
      }
      onClose={onClose}
    />
  )
}
