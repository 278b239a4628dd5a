import { levelOf } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { regionsQuery } from '../lib/queries.ts'
import { TextField } from './field.tsx'

/** A division code; says which level it is while it is typed and suggests those that have a name. */
export function RegionField({ label, name, initial }: { label: string; name: string; initial: string }) {
  const { t } = useTranslation()
  const { data: regions = [] } = useQuery(regionsQuery)
  const [code, setCode] = useState(initial)
  const listId = useId()
  const level = levelOf(code)
  const known = regions.find((region) => region.code === code)
  const hint = level
    ? `${t(`level.${level}`)}${known ? ` · ${known.name}` : ''}`
    : code === ''
      ? t('admin.regionHint')
      : t('admin.regionWrong')
  return (
    <>
      <TextField
        label={label}
        name={name}
        value={code}
        onChange={(event) => setCode(event.currentTarget.value.trim())}
        hint={hint}
        inputMode="numeric"
        pattern="\d{4}(\d{2}(\d{3}(\d{3}(\d{3})?)?)?)?"
        maxLength={15}
        required
        list={listId}
      />
      <datalist id={listId}>
        {regions.map((region) => (
          <option key={region.code} value={region.code}>
            {region.name}
          </option>
        ))}
      </datalist>
    </>
  )
}
