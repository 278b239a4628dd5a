import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Query } from '../../lib/api.ts'
import { Button } from '../../ui/button.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import styles from './search-form.module.css'

interface SearchFormProps {
  /** Names the form for those who cannot see what stands around it. */
  label: string
  /** Fields of this search alone. Their names are those of the query. */
  children: ReactNode
  isBusy: boolean
  onSearch: (terms: Query) => void
}

const WORDS = ['person', 'camera', 'incident', 'purpose', 'mark', 'kind'] as const

/** Local date and time of a field as ms; `undefined` for none. */
function momentOf(form: FormData, name: string): number | undefined {
  const atMs = new Date(textOf(form, name)).getTime()
  return Number.isNaN(atMs) ? undefined : atMs
}

/** What an auditor searches by. Nothing is asked for while they type: every search goes on the record. */
export function SearchForm({ label, children, isBusy, onSearch }: SearchFormProps) {
  const { t } = useTranslation()
  return (
    <form
      aria-label={label}
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault()
        const form = new FormData(event.currentTarget)
        const words = WORDS.map((name) => [name, textOf(form, name) || undefined])
        onSearch({ ...Object.fromEntries(words), fromMs: momentOf(form, 'from'), toMs: momentOf(form, 'to') })
      }}
      onReset={() => onSearch({})}
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
      <div className={styles.buttons}>
        <Button type="submit" look="primary" isBusy={isBusy}>
          {t('audit.search')}
        </Button>
        <Button type="reset">{t('audit.clear')}</Button>
      </div>
    </form>
  )
}
