import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Button } from './button.tsx'
import { textOf } from './field.tsx'
import styles from './search-frame.module.css'

interface SearchFrameProps {
  /** Names the form for those who cannot see what stands around it. */
  label: string
  /** The fields. */
  children: ReactNode
  isBusy: boolean
  onSearch: (form: FormData) => void
  onClear: () => void
}

/** Local date and time of a field as ms; `undefined` for none. */
export function momentOf(form: FormData, name: string): number | undefined {
  const atMs = new Date(textOf(form, name)).getTime()
  return Number.isNaN(atMs) ? undefined : atMs
}

/** Fields that are searched by, beside each other. Nothing is asked for while somebody types. */
export function SearchFrame({ label, children, isBusy, onSearch, onClear }: SearchFrameProps) {
  const { t } = useTranslation()
  return (
    <form
      aria-label={label}
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault()
        onSearch(new FormData(event.currentTarget))
      }}
      onReset={onClear}
    >
      {children}
      <div className={styles.buttons}>
        <Button type="submit" look="primary" isBusy={isBusy}>
          {t('audit.search')}
        </Button>
        <Button type="reset">{t('audit.clear')}</Button>
      </div>
    </form>
  )
}
