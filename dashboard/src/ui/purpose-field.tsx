import { PURPOSES } from '@patrolhub/protocol'
import type { ComponentProps } from 'react'
import { useTranslation } from 'react-i18next'
import { type Choice, SelectField } from './field.tsx'

interface PurposeFieldProps extends Omit<ComponentProps<'select'>, 'children' | 'name'> {
  label?: string
  /** Choices before the purposes. */
  first?: readonly Choice[]
}

/** What somebody looks at cameras or plates for. */
export function PurposeField({ label, first = [], ...rest }: PurposeFieldProps) {
  const { t } = useTranslation()
  const choices = [...first, ...PURPOSES.map((value) => ({ value, label: t(`purpose.${value}`) }))]
  return <SelectField {...rest} label={label ?? t('grant.purpose')} name="purpose" choices={choices} />
}
