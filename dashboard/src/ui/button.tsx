import type { ComponentProps } from 'react'
import styles from './button.module.css'

type Look = 'primary' | 'quiet' | 'danger' | 'plain'

interface ButtonProps extends ComponentProps<'button'> {
  look?: Look
  /** For a thumb: at least 56 px high, over the whole width. */
  isBig?: boolean
  /** Over the whole width. */
  isWide?: boolean
  /** Something is on its way: the button waits and says so to assistive technology. */
  isBusy?: boolean
}

/** A button of type `button` unless told otherwise, so that it never sends a form by accident. */
export function Button({
  look = 'quiet',
  isBig = false,
  isWide = false,
  isBusy = false,
  disabled,
  ...rest
}: ButtonProps) {
  const classes = [
    styles.button,
    styles[look],
    isBig ? styles.big : '',
    isWide ? styles.wide : '',
    rest.className ?? '',
  ]
  return (
    <button
      type="button"
      {...rest}
      className={classes.filter(Boolean).join(' ')}
      disabled={disabled || isBusy}
      aria-busy={isBusy || undefined}
    />
  )
}
