import { type ComponentProps, type ReactNode, useId } from 'react'
import styles from './field.module.css'

interface Frame {
  label: string
  hint?: ReactNode
}

function Shell({ label, hint, id, children }: Frame & { id: string; children: ReactNode }) {
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {label}
      </label>
      {children}
      {hint ? (
        <div id={`${id}-hint`} className={styles.hint}>
          {hint}
        </div>
      ) : null}
    </div>
  )
}

/** A labelled input; `hint` is read out with it. */
export function TextField({ label, hint, ...rest }: Frame & ComponentProps<'input'>) {
  const id = useId()
  return (
    <Shell label={label} hint={hint} id={id}>
      <input id={id} aria-describedby={hint ? `${id}-hint` : undefined} {...rest} className={styles.input} />
    </Shell>
  )
}

export function TextArea({ label, hint, ...rest }: Frame & ComponentProps<'textarea'>) {
  const id = useId()
  return (
    <Shell label={label} hint={hint} id={id}>
      <textarea
        id={id}
        rows={3}
        aria-describedby={hint ? `${id}-hint` : undefined}
        {...rest}
        className={styles.input}
      />
    </Shell>
  )
}

export interface Choice {
  value: string
  label: string
}

export function SelectField({
  label,
  hint,
  choices,
  ...rest
}: Frame & { choices: readonly Choice[] } & Omit<ComponentProps<'select'>, 'children'>) {
  const id = useId()
  return (
    <Shell label={label} hint={hint} id={id}>
      <select id={id} aria-describedby={hint ? `${id}-hint` : undefined} {...rest} className={styles.input}>
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.label}
          </option>
        ))}
      </select>
    </Shell>
  )
}

/** Reads one text field of a form that was just sent, without surrounding blanks. */
export function textOf(form: FormData, name: string): string {
  const value = form.get(name)
  return typeof value === 'string' ? value.trim() : ''
}
