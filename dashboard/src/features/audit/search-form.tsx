import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Query } from '../../lib/api.ts'
import { TextField, textOf } from '../../ui/field.tsx'
import { momentOf, SearchFrame } from '../../ui/search-frame.tsx'

interface SearchFormProps {
  /** Names the form for those who cannot see what stands around it. */
  label: string
  /** Fields of this search alone. Their names are those of the query. */
  children: ReactNode
  isBusy: boolean
  onSearch: (terms: Query) => void
}

const WORDS = ['person', 'camera', 'incident', 'purpose', 'mark', 'kind'] as const

/** What an auditor searches by. Nothing is asked for while they type: every search goes on the record. */
export function SearchForm({ label, children, isBusy, onSearch }: SearchFormProps) {
  const { t } = useTranslation()
  return (
    <SearchFrame
      label={label}
      isBusy={isBusy}
      onSearch={(form) => {
        const words = WORDS.map((name) => [name, textOf(form, name) || undefined])
        onSearch({ ...Object.fromEntries(words), fromMs: momentOf(form, 'from'), toMs: momentOf(form, 'to') })
      }}
      onClear={() => onSearch({})}
    >
      <TextField
        label={t('audit.actor')}
        placeholder={t('audit.partOfName')}
        name="person"
        maxLength={100}
        autoComplete="off"
      />
      <TextField
        label={t('audit.camera')}
        placeholder={t('audit.nameOrId')}
        name="camera"
        maxLength={100}
        autoComplete="off"
      />
      <TextField
        label={t('audit.incident')}
        placeholder={t('audit.number')}
        name="incident"
        maxLength={64}
        autoComplete="off"
      />
      {children}
      <TextField label={t('audit.from')} name="from" type="datetime-local" />
      <TextField label={t('audit.to')} name="to" type="datetime-local" />
    </SearchFrame>
  )
}
