import type { ReactNode } from 'react'
import styles from './state-mark.module.css'

export type Tone = 'good' | 'warn' | 'bad' | 'accent' | 'dim'

/** A word with a tone. The word alone says it; the tone helps the eye. */
export function StateMark({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <span className={`${styles.mark} ${styles[tone]}`}>{children}</span>
}

/** A small dot with a word beside it: filled when things are well, a ring when not. */
export function StateDot({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={`${styles.dotted} ${styles[tone]}`}>
      <span className={styles.dot} aria-hidden="true" />
      {children}
    </span>
  )
}
