import type { Choice } from '../../ui/field.tsx'
import styles from './plans.module.css'

interface CheckListProps {
  label: string
  name: string
  choices: readonly Choice[]
  chosen: readonly string[]
}

/** Several of a list, as boxes to tick; a long list scrolls. */
export function CheckList({ label, name, choices, chosen }: CheckListProps) {
  return (
    <fieldset className={styles.checks}>
      <legend>{label}</legend>
      {choices.map(({ value, label: text }) => (
        <label key={value}>
          <input type="checkbox" name={name} value={value} defaultChecked={chosen.includes(value)} /> {text}
        </label>
      ))}
    </fieldset>
  )
}
