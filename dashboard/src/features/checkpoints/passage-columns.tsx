import type { Passage } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'
import { useMay } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import type { Column } from '../../ui/data-table.tsx'
import { vehicleClassLabel } from './vehicle-class.ts'

/** What is known of a passage, and the way to its plate for those who may read it. */
export function usePassageColumns<Row extends Passage>(onPlate: (passage: Row) => void): Column<Row>[] {
  const { t } = useTranslation()
  const may = useMay()
  return [
    { title: t('passage.lane'), cell: (passage) => passage.lane, isNumber: true },
    {
      title: t('passage.speed'),
      cell: (passage) => (passage.speedKmh === undefined ? '–' : `${Math.round(passage.speedKmh)} km/h`),
      isNumber: true,
    },
    { title: t('passage.vehicleClass'), cell: (passage) => vehicleClassLabel(passage.vehicleClass, t) },
    {
      title: t('passage.direction'),
      cell: (passage) =>
        passage.direction === undefined
          ? '–'
          : t(`direction.${passage.direction}`, { defaultValue: passage.direction }),
    },
    {
      title: t('passage.hasPlate'),
      cell: (passage) =>
        !passage.hasPlate ? (
          t('passage.notRead')
        ) : may('plate.read') ? (
          <Button onClick={() => onPlate(passage)}>{t('plate.show')}</Button>
        ) : (
          t('passage.read')
        ),
    },
  ]
}
