import { ABOUT_NO_PASSAGE, type Alert, type Passage } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { passagesAtQuery } from '../../lib/queries.ts'
import { useMay } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { PassagePlateDialog } from '../../ui/passage-plate-dialog.tsx'
import styles from './incident-evidence.module.css'

/** A passage that an alert tells of. */
interface Told {
  checkpointId: string
  name: string
  atMs: number
  /** Two may pass in one millisecond, in two lanes. */
  lane: number | undefined
}

/** The way to the plates of the vehicles that an alert tells of, for those who may read them. */
export function AlertPassages({ alert }: { alert: Alert }) {
  const may = useMay()
  if (!may('plate.read') || !may('series.read')) return null
  return toldBy(alert).map((told) => (
    <PassagePlates key={`${told.checkpointId} ${told.atMs}`} told={told} incidentId={alert.incidentId} />
  ))
}

function toldBy({ rule, deviceKind, deviceId, deviceName, atMs, facts }: Alert): Told[] {
  if (deviceKind !== 'checkpoint' || ABOUT_NO_PASSAGE.includes(rule)) return []
  const lane = typeof facts.lane === 'number' ? facts.lane : undefined
  const passage = { checkpointId: deviceId, name: deviceName, atMs, lane }
  const { otherCheckpointId, otherName, otherAtMs } = facts
  if (typeof otherCheckpointId !== 'string' || typeof otherAtMs !== 'number') return [passage]
  const name = String(otherName ?? otherCheckpointId)
  return [passage, { checkpointId: otherCheckpointId, name, atMs: otherAtMs, lane: undefined }]
}

function PassagePlates({ told, incidentId }: { told: Told; incidentId: string }) {
  const { t } = useTranslation()
  const { data, error } = useQuery(passagesAtQuery(told.checkpointId, told.atMs))
  const [asked, setAsked] = useState<Passage>()
  const plated = data?.items.filter(
    ({ lane, hasPlate }) => hasPlate && (told.lane === undefined || lane === told.lane),
  )
  return (
    <div className={styles.plates}>
      <span>{told.name}</span>
      {plated?.map((passage) => (
        <Button key={passage.passageId} onClick={() => setAsked(passage)}>
          {t('plate.show')}
        </Button>
      ))}
      {plated?.length === 0 ? <span>{t('plate.none')}</span> : null}
      <ErrorNote error={error} />
      {asked ? (
        <PassagePlateDialog passage={asked} incidentId={incidentId} onClose={() => setAsked(undefined)} />
      ) : null}
    </div>
  )
}
