import type { FoundPassage, Purpose } from '@patrolhub/protocol'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { hubNowMs } from '../../lib/hub-clock.ts'
import { devicesQuery, type PassageSearch, passageSearchQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useMay } from '../../lib/session.ts'
import { DataTable } from '../../ui/data-table.tsx'
import { SelectField, TextField, textOf } from '../../ui/field.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { OlderButton } from '../../ui/older-button.tsx'
import { Panel } from '../../ui/panel.tsx'
import { PassagePlateDialog } from '../../ui/passage-plate-dialog.tsx'
import { PurposeField } from '../../ui/purpose-field.tsx'
import { momentOf, SearchFrame } from '../../ui/search-frame.tsx'
import { TakeOut } from '../../ui/take-out.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import { usePassageColumns } from './passage-columns.tsx'
import styles from './passage-search-panel.module.css'

const HOUR_MS = 3_600_000
const COLOURS = ['blue', 'yellow', 'green', 'white', 'black', 'other', 'unknown'] as const
const CLASSES = ['K', 'H', 'M', 'Q'] as const
const WORDS = ['checkpointId', 'vehicleClass', 'plateColour', 'direction'] as const
const NUMBERS = ['lane', 'minKmh', 'maxKmh'] as const

function searchOf(form: FormData): PassageSearch {
  const toMs = momentOf(form, 'to') ?? hubNowMs()
  const fromMs = momentOf(form, 'from') ?? toMs - HOUR_MS
  const words = WORDS.map((name) => [name, textOf(form, name) || undefined])
  const numbers = NUMBERS.map((name) => [
    name,
    textOf(form, name) === '' ? undefined : Number(textOf(form, name)),
  ])
  const terms = { ...Object.fromEntries([...words, ...numbers]), fromMs, toMs }
  const plate = textOf(form, 'plate')
  if (plate === '') return { terms }
  const purpose = textOf(form, 'purpose') as Purpose
  return { terms, ofPlate: { plate, purpose, reason: textOf(form, 'reason') } }
}

const lastHour = (): PassageSearch => ({ terms: { fromMs: hubNowMs() - HOUR_MS, toMs: hubNowMs() } })

/** Finds passages by what was measured of them; those of one plate for those who may. */
export function PassageSearchPanel() {
  const { t } = useTranslation()
  const may = useMay()
  const regionName = useRegionName()
  const [search, setSearch] = useState(lastHour)
  const [asked, setAsked] = useState<FoundPassage>()
  const [plate, setPlate] = useState('')
  const { data: devices } = useQuery(devicesQuery)
  const query = useInfiniteQuery(passageSearchQuery(search))
  const { data, error, isPending, isFetching, refetch } = query
  const columns = usePassageColumns<FoundPassage>(setAsked)
  const found = data?.pages.flatMap((page) => page.items) ?? []
  const any = { value: '', label: t('audit.any') }
  const clear = () => {
    setPlate('')
    setSearch(lastHour())
  }
  return (
    <Panel
      title={t('passageSearch.title')}
      aside={search.ofPlate ? null : <TakeOut path="/api/passages/export" terms={search.terms} />}
    >
      <SearchFrame
        label={t('passageSearch.title')}
        isBusy={isFetching}
        onSearch={(form) => setSearch(searchOf(form))}
        onClear={clear}
      >
        <TextField label={t('audit.from')} name="from" type="datetime-local" />
        <TextField label={t('audit.to')} name="to" type="datetime-local" />
        <SelectField
          label={t('passageSearch.checkpoint')}
          name="checkpointId"
          choices={[
            any,
            ...(devices?.checkpoints ?? []).map(({ checkpointId, name }) => ({
              value: checkpointId,
              label: name,
            })),
          ]}
        />
        <TextField label={t('passage.lane')} name="lane" type="number" min={0} max={99} />
        <SelectField
          label={t('passage.vehicleClass')}
          name="vehicleClass"
          choices={[any, ...CLASSES.map((value) => ({ value, label: t(`vehicleGroup.${value}`) }))]}
        />
        <SelectField
          label={t('passageSearch.colour')}
          name="plateColour"
          choices={[any, ...COLOURS.map((value) => ({ value, label: t(`colour.${value}`) }))]}
        />
        <TextField
          label={t('passage.direction')}
          name="direction"
          maxLength={20}
          autoComplete="off"
          placeholder={t('passageSearch.directionHint')}
        />
        <TextField label={t('passageSearch.minKmh')} name="minKmh" type="number" min={0} max={400} />
        <TextField label={t('passageSearch.maxKmh')} name="maxKmh" type="number" min={0} max={400} />
        {may('plate.read') ? (
          <TextField
            label={t('passageSearch.plate')}
            name="plate"
            value={plate}
            onChange={(event) => setPlate(event.currentTarget.value)}
            maxLength={20}
            autoComplete="off"
          />
        ) : null}
        {plate.trim() === '' ? null : (
          <>
            <PurposeField defaultValue="incident_handling" />
            <TextField label={t('plate.reason')} name="reason" required minLength={3} maxLength={200} />
          </>
        )}
        <p className={styles.note}>
          {t('passageSearch.span')} {may('plate.read') ? t('passageSearch.plateHint') : null}
        </p>
      </SearchFrame>
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data && found.length === 0 ? <EmptyNote>{t('passageSearch.none')}</EmptyNote> : null}
      {found.length > 0 ? (
        <DataTable
          caption={t('passageSearch.title')}
          rows={found}
          rowKey={({ passageId }) => passageId}
          columns={[
            { title: t('passage.time'), cell: ({ atMs }) => <TimeText atMs={atMs} form="full" /> },
            {
              title: t('passageSearch.checkpoint'),
              cell: ({ checkpointId, checkpointName, region }) => (
                <>
                  <Link to={`/checkpoints/${encodeURIComponent(checkpointId)}`}>{checkpointName}</Link>
                  <div className={styles.below}>{regionName(region)}</div>
                </>
              ),
            },
            {
              title: t('passageSearch.colour'),
              cell: ({ plateColour }) =>
                plateColour === undefined ? '–' : t(`colour.${plateColour}`, { defaultValue: plateColour }),
            },
            ...columns,
          ]}
        />
      ) : null}
      <OlderButton query={query} />
      {asked ? <PassagePlateDialog passage={asked} onClose={() => setAsked(undefined)} /> : null}
    </Panel>
  )
}
