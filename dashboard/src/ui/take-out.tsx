import { useTranslation } from 'react-i18next'
import { type Query, withQuery } from '../lib/api.ts'
import styles from './take-out.module.css'

const FORMATS = ['csv', 'jsonl'] as const

/** What is shown, as a file. The hub puts it on the record. */
export function TakeOut({ path, terms }: { path: string; terms: Query }) {
  const { t } = useTranslation()
  return (
    <span className={styles.links}>
      {FORMATS.map((format) => (
        <a key={format} href={withQuery(path, { ...terms, format })} download>
          {t(`audit.takeOut.${format}`)}
        </a>
      ))}
    </span>
  )
}
