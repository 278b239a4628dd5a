import { type ReactNode, useId } from 'react'
import styles from './panel.module.css'

interface PanelProps {
  title: string
  /** Shown at the right of the title. */
  aside?: ReactNode
  /** The body takes the height that is left and scrolls by itself. */
  scrolls?: boolean
  children: ReactNode
}

/** A titled region of a page; landmarks are named by the title. */
export function Panel({ title, aside, scrolls = false, children }: PanelProps) {
  const id = useId()
  return (
    <section className={`${styles.panel} ${scrolls ? styles.scrolls : ''}`} aria-labelledby={id}>
      <header className={styles.head}>
        <h2 id={id}>{title}</h2>
        {aside ? <div className={styles.aside}>{aside}</div> : null}
      </header>
      <div className={styles.body}>{children}</div>
    </section>
  )
}
